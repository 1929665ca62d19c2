import type { Expression, PrivateIdentifier } from 'oxc-parser'
import { type Finding, findingAt, visit } from '../source.ts'
import { type Rule, snippets } from './rule.ts'

/** Things whose value is the name of a plug-in: `provider`, `pool.provider`, `host.hypervisorType`, `plugin.name`. */
const SUBJECT =
  /(^|\.)((storage)?provider(Name)?|hypervisor(Type|Name)?|plugin\??\.name|plugin(Name)?|hypervisor\??\.name)$/i

/** CloudStack's hypervisor names: no other string is spelled like these. */
const HYPERVISOR_NAMES = new Set([
  'KVM',
  'XenServer',
  'VMware',
  'Hyperv',
  'LXC',
  'Ovm3',
  'Ovm',
  'BareMetal',
  'Simulator',
])

const core = 'controller/placement/place.ts'

/** The one habit that makes a storage framework unable to take another vendor. */
export const noPlugInNames: Rule = {
  name: 'no choice by the name of a provider or hypervisor outside plug-ins',
  instead:
    'Ask for the facet, the limit, the protocol or the setting that makes the difference, and put it into the contract if ' +
    'it is missing: code that knows names must be edited for every vendor that comes.',
  check(file) {
    if (file.path.startsWith('plugins/')) return []
    const found: Finding[] = []
    const add = (at: number) => void found.push(findingAt(file, at, 'a choice by the name of a plug-in'))
    const textOf = (node: Expression | PrivateIdentifier) => file.text.slice(node.start, node.end)
    const names = (node: Expression | PrivateIdentifier) => SUBJECT.test(textOf(node))
    const literal = (node: Expression | PrivateIdentifier) => node.type === 'Literal' && typeof node.value === 'string'
    visit(file, {
      BinaryExpression: (node) => {
        if (!/^[!=]==?$/.test(node.operator)) return
        for (const [one, other] of [
          [node.left, node.right],
          [node.right, node.left],
        ] as const) {
          if (!literal(one)) continue
          if (names(other) || HYPERVISOR_NAMES.has(textOf(one).slice(1, -1))) add(node.start)
        }
      },
      SwitchStatement: (node) => void (names(node.discriminant) && add(node.start)),
      SwitchCase: (node) => {
        if (node.test && literal(node.test) && HYPERVISOR_NAMES.has(textOf(node.test).slice(1, -1))) add(node.start)
      },
      CallExpression: (node) => {
        const [argument] = node.arguments
        if (node.callee.type !== 'MemberExpression' || argument === undefined || argument.type === 'SpreadElement')
          return
        const method = textOf(node.callee).match(/\.(includes|has|startsWith|endsWith)$/)?.[1]
        if (method === 'startsWith' || method === 'endsWith')
          void (names(node.callee.object) && literal(argument) && add(node.start))
        else if (method === 'includes' && node.callee.object.type === 'ArrayExpression' && names(argument))
          add(node.start)
      },
    })
    return found
  },
  broken: snippets(
    core,
    "if (pool.provider === 'solidfire') {}",
    "const a = 'KVM' === host.type ? 1 : 2",
    "switch (hypervisor) { case 'x': break }",
    "switch (type) { case 'XenServer': break }",
    "if (['a', 'b'].includes(providerName)) {}",
    "if (plugin.name !== 'linux-san') {}",
    "if (provider.startsWith('Solid')) {}",
  ),
  kept: [
    ...snippets(
      core,
      "if (connection.via === 'iscsi') {}",
      'if (provider === undefined) {}',
      'if (a.provider === b.provider) {}',
    ),
    { path: 'plugins/storage/simulator/index.ts', text: "if (provider === 'simulator') {}" },
  ],
}
