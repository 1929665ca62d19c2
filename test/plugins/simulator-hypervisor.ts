export { simulatorHypervisor as plugin } from '@moorage/hypervisor-simulator'
