import type { Browser, Page } from 'playwright-core'
import { afterEach, describe, expect, inject, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { startChromium } from './chromium.ts'
import { openShop, type Shop, someTraffic } from './shop.ts'

afterEach(closeAll)

const chromium = inject('chromium')

async function look(shop: Shop, options: Parameters<Browser['newPage']>[0] = {}) {
  const browser = await startChromium(chromium!)
  const page = await browser.newPage(options)
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('console', (message) => complaints.push(message.text()))
  await page.goto(shop.page)
  await page.getByText('live', { exact: true }).waitFor()
  return { page, complaints }
}

const rowOf = (page: Page, text: string) => page.locator('.request', { hasText: text }).first()

describe.skipIf(chromium === null)('the page of the inspector', () => {
  it('shows chains, requests and refusals, live, and never a secret', async () => {
    const shop = await openShop()
    const { page, complaints } = await look(shop)
    await expect.poll(() => page.locator('.api').first().innerText()).toContain('stampRequest → openFields')
    await someTraffic(shop)
    await rowOf(page, 'POST').waitFor()
    const row = rowOf(page, '/orders/7?debug=***&page=***')
    await row.locator('summary').click()
    const course = await row.locator('.course').innerText()
    for (const part of [
      'checkKey',
      'granted',
      'x-tenant',
      'acme',
      'forUpstream',
      'authorization',
      'hideServer',
      'from ***',
    ])
      expect(course).toContain(part)
    const aside = await page.locator('aside').innerText()
    for (const part of ['PSTN_API_RATE_LIMITED', 'PSTN_UPSTREAM_UNREACHABLE', 'PSTN_PLUGIN_THREW', 'rate limit'])
      expect(aside).toContain(part)
    for (const summary of await page.locator('summary').all()) if (await summary.isVisible()) await summary.click()
    expect(await page.content()).not.toContain('canary')
    expect(complaints).toEqual([])
  })

  it('shows hostile paths, headers and messages as text', async () => {
    const shop = await openShop()
    const { page, complaints } = await look(shop)
    const markup = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
    const hostile = encodeURIComponent(markup)
    const response = await fetch(`${shop.apis}/orders/${hostile}/invoice?${hostile}=1`, {
      headers: { authorization: 'gold-key-canary', 'x-debug': markup, 'x-request-id': 'plain' },
    })
    await response.arrayBuffer()
    const row = page.locator('.request').first()
    await row.locator('summary').click()
    await expect.poll(() => row.innerText()).toContain('onerror')
    expect(await row.locator('.course').innerText()).toContain(markup)
    expect(await page.locator('img').count()).toBe(0)
    expect(await page.locator('script').count()).toBe(1)
    expect(await page.title()).toBe('Postern inspector')
    // The policy would have stopped it as well; it has had nothing to stop.
    expect(complaints).toEqual([])
  })

  it('filters requests and endpoints from the keyboard', async () => {
    const shop = await openShop()
    const { page } = await look(shop)
    await someTraffic(shop)
    await rowOf(page, 'POST').waitFor()
    await page.keyboard.press('/')
    await page.keyboard.type('invoice')
    await expect.poll(() => page.locator('#list > li:visible').count()).toBe(1)
    expect(await page.locator('.tree > li:visible').innerText()).toContain('GET /:id/invoice')
    await page.keyboard.press('Escape')
    await expect.poll(() => page.locator('#list > li:visible').count()).toBeGreaterThan(10)
    // A row opens with the keyboard alone.
    await page.locator('summary').first().focus()
    await page.keyboard.press('Enter')
    await page.locator('.course').first().waitFor()
  })

  it('is paused while nobody sees it', async () => {
    const shop = await openShop()
    const { page } = await look(shop)
    const hide = (hidden: boolean) =>
      page.evaluate(`
        Object.defineProperty(document, 'hidden', { configurable: true, value: ${hidden} })
        document.dispatchEvent(new Event('visibilitychange'))
      `)
    await hide(true)
    await page.getByText('paused', { exact: true }).waitFor()
    await someTraffic(shop)
    expect(await page.locator('.request').count()).toBe(0)
    await hide(false)
    await rowOf(page, 'POST').waitFor()
  })

  it('shows a reload, what it has changed, and the chain as it is now', async () => {
    const shop = await openShop()
    const { page } = await look(shop)
    await shop.gateway.reload([{ name: 'later', listenPath: '/later/', upstream: 'http://127.0.0.1:9' }])
    await expect.poll(() => page.locator('#events').innerText()).toContain('+ later')
    expect(await page.locator('.api').allInnerTexts()).toEqual([expect.stringContaining('later')])
  })

  it('fits a phone', async () => {
    const shop = await openShop()
    const { page } = await look(shop, { viewport: { width: 360, height: 740 } })
    await someTraffic(shop)
    await rowOf(page, 'POST').waitFor()
    await rowOf(page, '/orders/7?').locator('summary').click()
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360)
  })
})

// Drawn anew when asked: POSTERN_SCREENSHOT=1 npx vitest run --project browser -t picture
describe.skipIf(chromium === null || process.env['POSTERN_SCREENSHOT'] === undefined)(
  'the picture in the README',
  () => {
    it.each(['light', 'dark'] as const)(
      'is of a real run (%s)',
      async (colorScheme) => {
        const shop = await openShop()
        const { page } = await look(shop, { colorScheme, viewport: { width: 1440, height: 860 } })
        for (let round = 0; round < 4; round += 1) {
          await someTraffic(shop)
          await page.waitForTimeout(700)
        }
        await page.waitForTimeout(1_500)
        await rowOf(page, '/orders/7?').locator('summary').click()
        await page.mouse.move(0, 0)
        await page.evaluate('scrollTo(0, 0)')
        const picture = await page.screenshot({ path: `docs/images/inspector-${colorScheme}.png` })
        expect(picture.length).toBeGreaterThan(10_000)
      },
      60_000,
    )
  },
)
