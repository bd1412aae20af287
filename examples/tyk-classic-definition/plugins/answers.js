/** @type {import('@postern/core').ResponsePlugin} */
export async function countNotes(response) {
  if (!response.hasBody) return
  const { notes } = await response.json()
  response.headers.set('x-count', String(notes.length))
}
