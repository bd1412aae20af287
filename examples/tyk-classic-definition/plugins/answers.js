/** @type {import('@postern/core').ResponsePlugin} */
export async function countNotes(response) {
  const { notes } = await response.json()
  response.headers.set('x-count', String(notes.length))
}
