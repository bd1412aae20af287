import type { AnalyticsPlugin } from '@postern/core'

/** What leaves this process for whoever counts. */
export const maskKey: AnalyticsPlugin = (record) => {
  record.apiKey = ''
}
