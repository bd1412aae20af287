import express, { type Express } from 'express'

const NOTES = ['Buy milk', 'Call Ann']

/** What stands behind the gateway. */
export function createUpstream(): Express {
  const app: Express = express()
  app.get('/', ({ query, headers }, res) => {
    const words = typeof query['filter'] === 'string' ? query['filter'].replace('text~', '') : ''
    res.json({
      notes: NOTES.filter((note) => note.includes(words)),
      for: headers['x-alias'],
      key: headers['x-api-key'],
    })
  })
  return app
}
