import { ownershipOf, ownerOf } from '../../operations/ownership.ts'
import { createKeyPair, registerKeyPair } from '../../operations/ssh-key-pairs.ts'
import { removeStandIn, standInByName } from '../../operations/stand-ins.ts'
import { listStandIns, standInView, type StandInView } from '../../store/queries/stand-ins.ts'
import { defineCommand, EVERYONE, SUCCESS, TENANTS } from '../command.ts'
import { given } from '../given.ts'
import { keyword, ownerParams, ownershipParams } from '../ownership.ts'
import { entity, text } from '../params.ts'
import { field, type Rendered } from '../shape.ts'
import { renderStandIn, standInFields, standInOwnerFields } from './stand-ins.ts'

const shape = {
  id: field.string('the ID of the key pair'),
  name: field.string('the name of the key pair'),
  fingerprint: field.string('the fingerprint of the public key: MD5'),
  publickey: field.string('the public key, as in a file of OpenSSH'),
  ...standInOwnerFields,
  ...standInFields,
} as const

const name = text({ required: true, description: 'the name of the key pair' })

function render(view: StandInView | undefined): Rendered<typeof shape> {
  if (view === undefined) return {}
  const kept = view.attributes as { readonly fingerprint: string; readonly publickey: string } // As key pairs are recorded.
  return { name: view.name, ...kept, ...renderStandIn(view) }
}

const create = defineCommand({
  name: 'createSSHKeyPair',
  kind: 'sync',
  description: 'Makes an SSH key pair and records its public key. No virtual machine gets it.',
  roles: TENANTS,
  params: { name, ...ownerParams },
  response: { key: 'keypair', shape: { ...shape, privatekey: field.string('the private key: told once') } },
  async run(request) {
    const account = await ownerOf(request, request.params)
    const { id, privateKey } = await createKeyPair(request, { account, name: request.params.name })
    const view = await standInView(request.system.store.reader, id)
    return { object: { ...render(view), privatekey: privateKey } }
  },
})

const register = defineCommand({
  name: 'registerSSHKeyPair',
  kind: 'sync',
  description: 'Records the public key of an SSH key pair. No virtual machine gets it.',
  roles: TENANTS,
  params: {
    name,
    publickey: text({ required: true, length: 16_384, description: 'the public key, as in a file of OpenSSH' }),
    ...ownerParams,
  },
  response: { key: 'keypair', shape },
  async run(request) {
    const account = await ownerOf(request, request.params)
    const { name: called, publickey } = request.params
    const id = await registerKeyPair(request, { account, name: called, publicKey: publickey })
    return { object: render(await standInView(request.system.store.reader, id)) }
  },
})

const list = defineCommand({
  name: 'listSSHKeyPairs',
  kind: 'sync',
  description: 'Lists the SSH key pairs that are recorded: public keys, which no virtual machine gets.',
  roles: EVERYONE,
  params: {
    ...ownershipParams,
    id: entity('sshkeypair', { description: 'the ID of the key pair' }),
    name: text({ description: 'the name of the key pair' }),
    fingerprint: text({ description: 'the fingerprint of the public key' }),
    keyword,
  },
  response: { key: 'sshkeypair', shape, list: true },
  async run({ system, caller, params, page }) {
    const { id, fingerprint } = params
    const ownership = await ownershipOf({ system, caller }, params, { byId: id !== undefined })
    const narrowed = given({ id, name: params.name || undefined, keyword: params.keyword })
    const attributes = given({ fingerprint: fingerprint || undefined })
    const filter = { kind: 'sshkeypair', ownership, attributes, ...narrowed }
    const { items, count } = await listStandIns(system.store.reader, filter, page)
    return { list: items.map(render), count }
  },
})

const remove = defineCommand({
  name: 'deleteSSHKeyPair',
  kind: 'sync',
  description: 'Forgets an SSH key pair.',
  roles: TENANTS,
  params: { name, ...ownerParams },
  response: SUCCESS,
  async run(request) {
    const of = { kind: 'sshkeypair', what: 'SSH key pair' } as const
    const account = await ownerOf(request, request.params)
    const id = await standInByName(request, { ...of, account, name: request.params.name })
    await removeStandIn(request, { ...of, command: 'deleteSSHKeyPair', id })
    return { success: true }
  },
})

/** The commands about SSH key pairs. */
export const sshKeyPairCommands = [create, register, list, remove] as const
