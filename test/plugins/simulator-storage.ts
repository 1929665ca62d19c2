export { simulatorStorage as plugin } from '@moorage/storage-simulator'
