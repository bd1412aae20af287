import { type Browser, chromium } from 'playwright-core'
import { closeLater } from '../support/cleanup.ts'

/** The system's browser, without a window. */
export async function startChromium(executablePath: string): Promise<Browser> {
  // As root there is no sandbox; what it is pointed at is this repository's own page.
  const browser = await chromium.launch({
    executablePath,
    chromiumSandbox: false,
    args: ['--disable-gpu', '--disable-lcd-text'],
  })
  closeLater(() => browser.close())
  return browser
}
