import { ownershipOf } from '../../operations/ownership.ts'
import { refuse } from '../../operations/refusals.ts'
import { createTags, deleteTags, type Taggable, taggable } from '../../operations/tags.ts'
import { listTags } from '../../store/queries/tags.ts'
import { defineCommand, EVERYONE, SUCCESS, TENANTS } from '../command.ts'
import { given } from '../given.ts'
import { keyword, ownershipParams } from '../ownership.ts'
import { list as texts, map, shown, tags as tagsParam, text, uuid } from '../params.ts'
import { tagFields } from '../shape.ts'

const typeOf = (name: string): Taggable => {
  const type = taggable(name)
  if (type !== undefined) return type
  throw refuse('INVALID', `Invalid parameter resourcetype: ${shown(name)} carries no tags here`)
}

const create = defineCommand({
  name: 'createTags',
  kind: 'async',
  description: 'Puts tags on resources.',
  since: '4.0.0',
  roles: TENANTS,
  params: {
    resourcetype: text({
      required: true,
      description: 'type of the resource: Volume, Snapshot, UserVm, Template or Zone',
    }),
    resourceids: texts({ required: true, description: 'list of resources to create the tags for' }),
    tags: map({ required: true, description: 'Map of tags (key/value pairs)' }),
  },
  response: SUCCESS,
  async run(request) {
    const { resourcetype, resourceids, tags } = request.params
    return { operation: await createTags(request, { type: typeOf(resourcetype), ids: some(resourceids) }, tags) }
  },
})

const remove = defineCommand({
  name: 'deleteTags',
  kind: 'async',
  description: 'Takes tags off resources.',
  since: '4.0.0',
  roles: TENANTS,
  params: {
    resourcetype: text({ required: true, description: 'type of the resource' }),
    resourceids: texts({ required: true, description: 'list of resources to delete the tags of' }),
    tags: tagsParam({ description: 'tags to delete, by key or by key and value; all if not given' }),
  },
  response: SUCCESS,
  async run(request) {
    const { resourcetype, resourceids, tags } = request.params
    return { operation: await deleteTags(request, { type: typeOf(resourcetype), ids: some(resourceids) }, tags) }
  },
})

const list = defineCommand({
  name: 'listTags',
  kind: 'sync',
  description: 'Lists resource tags.',
  since: '4.0.0',
  roles: EVERYONE,
  params: {
    resourcetype: text({ description: 'list by resource type' }),
    resourceid: uuid({ description: 'list by resource id' }),
    key: text({ description: 'list by key' }),
    value: text({ description: 'list by value' }),
    keyword,
    ...ownershipParams,
  },
  response: { key: 'tag', shape: tagFields, list: true },
  async run(request) {
    const { params, system, page } = request
    const { resourcetype, resourceid, key, value } = params
    const ownership = await ownershipOf(request, params, { byId: resourceid !== undefined })
    const resourceType = resourcetype === undefined ? undefined : typeOf(resourcetype)
    const wanted = { resourceType, resource: resourceid, key, value, keyword: params.keyword }
    const { count, items } = await listTags(system.store.reader, { ownership, ...given(wanted) }, page)
    return {
      count,
      list: items.map((tag) => ({
        key: tag.key,
        value: tag.value,
        resourcetype: tag.resourceType,
        resourceid: tag.resourceId,
        account: tag.accountName,
        domainid: tag.domainId,
        domain: tag.domainName,
      })),
    }
  },
})

function some(ids: readonly string[]): readonly string[] {
  if (ids.length > 0) return ids
  throw refuse('INVALID', 'Invalid parameter resourceids: it names no resource')
}

/** The commands about tags of resources. */
export const tagCommands = [create, remove, list] as const
