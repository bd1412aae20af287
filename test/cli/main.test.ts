import { afterEach, describe, expect, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { postern, project } from './postern.ts'

describe('postern', () => {
  afterEach(closeAll)

  it('says what it can do, on stdout when asked, else on stderr with exit code 2', async () => {
    const folder = await project()
    const asked = await postern(folder, ['--help'])
    expect(asked).toMatchObject({ code: 0, stderr: '' })
    for (const command of ['check', 'explain', 'serve', 'init']) expect(asked.stdout).toContain(`postern ${command}`)
    expect(await postern(folder, [])).toEqual({ code: 2, stdout: '', stderr: asked.stdout })
    expect(await postern(folder, ['help'])).toEqual(asked)
  })
})
