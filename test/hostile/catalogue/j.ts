import type { Group } from './entry.ts'

const LATER = 'Plugins from bundles come with a later version.'
const IDS = ['J01', 'J02', 'J03', 'J04', 'J05', 'J06', 'J07', 'J08', 'J09', 'J10', 'J11', 'J12', 'J13']

export const bundles: Group = {
  title: 'Bundles',
  entries: {},
  untested: Object.fromEntries(IDS.map((id) => [id, LATER])),
}
