import { createRequire } from 'node:module'
import type * as xmldom from '@xmldom/xmldom'
import { GatewayError, type GatewayErrorCode } from '../errors.ts'

/** The part of a DOM node that is read here. */
interface XmlNode {
  readonly firstChild: XmlNode | null
  readonly nextSibling: XmlNode | null
  readonly attributes?: Iterable<XmlNode> | null
  namespaceURI?: string | null
  compareDocumentPosition(other: XmlNode): number
}

interface XPathResult {
  booleanValue(): boolean
  stringValue(): string
}

interface XPath {
  evaluate(context: { readonly node: XmlNode }): XPathResult
}

interface Libraries {
  readonly parseXPath: (source: string) => XPath
  readonly parseXml: (text: string) => XmlNode
  readonly emptyDocument: XmlNode
}

const MAX_SOURCE = 1_000
const MAX_CHARACTERS = 256 * 1024
// An expression that compares nodes with each other takes the cube of their number in steps.
const MAX_NODES = 1_000
const MAX_DEPTH = 64

// Element names match in every namespace: a prefix would mean whatever the client's document says it means.
const PREFIX = /[\p{L}\p{N}_.-]+:(?!:)/u

const PRECEDING = 2
const FOLLOWING = 4

let loaded: Libraries | undefined

/**
 * Compiles an XPath 1.0 expression to a function that gives the text of its first match in an XML document, at most
 * 256 Ki characters, 1,000 nodes and 64 levels of it. Element names match in every namespace. What is no XML, declares a
 * document type or has no match gives undefined or no text, whatever it is. An expression that is none, or that finds
 * something in an empty document, throws `code`.
 */
export function compileXPath(source: string, code: GatewayErrorCode): (xml: string) => string | undefined {
  if (source.length > MAX_SOURCE) {
    throw new GatewayError(code, `An XPath expression has ${source.length} characters; expected at most ${MAX_SOURCE}.`)
  }
  loaded ??= load()
  const { parseXml } = loaded
  const xpath = parseSource(source, code, loaded)
  return (xml) => {
    if (!isModest(xml)) return undefined
    try {
      const document = parseXml(xml)
      if (!prepareNodes(document)) return undefined
      return textOf(xpath.evaluate({ node: document }))
    } catch {
      // The client's text is no XML, or none this expression can be applied to: whoever asked is told that nothing was found.
      return undefined
    }
  }
}

/** A search within a predicate runs for every node; one within that makes the client's document cost the cube of its size. */
function searchesWithin(source: string): boolean {
  let depth = 0
  for (let i = 0; i < source.length; i += 1) {
    if (source[i] === '[') depth += 1
    else if (source[i] === ']') depth -= 1
    else if (depth > 1 && source.startsWith('//', i)) return true
  }
  return false
}

function parseSource(source: string, code: GatewayErrorCode, { parseXPath, emptyDocument }: Libraries): XPath {
  const name = `The XPath expression ${JSON.stringify(source)}`
  const unquoted = source.replace(/"[^"]*"|'[^']*'/g, '""')
  if (searchesWithin(unquoted))
    throw new GatewayError(
      code,
      `${name} searches the document for each node of a search for each node ("//" within brackets within brackets); expected a path from the node itself.`,
    )
  const prefix = PREFIX.exec(unquoted)
  if (prefix !== null) {
    const hint = 'write names without one, they match in every namespace'
    throw new GatewayError(code, `${name} has a namespace prefix, ${JSON.stringify(prefix[0])}; ${hint}.`)
  }
  let xpath: XPath
  let found: XPathResult
  try {
    xpath = parseXPath(source)
    found = xpath.evaluate({ node: emptyDocument })
  } catch (cause) {
    throw new GatewayError(code, `${name} cannot be used: ${(cause as Error).message}.`, { cause })
  }
  const text = textOf(found)
  if (text === undefined) {
    throw new GatewayError(
      code,
      `${name} gives a number or a truth value; expected nodes or text, such as "//user/@id".`,
    )
  }
  if (text !== '') {
    const hint = 'every caller without an id would be the same one'
    throw new GatewayError(code, `${name} finds ${JSON.stringify(text)} in an empty document; ${hint}.`)
  }
  return xpath
}

/** Undefined for numbers and truth values, which name nobody. */
function textOf(result: XPathResult): string | undefined {
  return ['XNodeSet', 'XString'].includes(result.constructor.name) ? result.stringValue() : undefined
}

/** What can be seen before anything is parsed: size, a document type, and more tags than nodes are allowed. */
function isModest(xml: string): boolean {
  if (xml.length > MAX_CHARACTERS || /<!DOCTYPE/i.test(xml)) return false
  let tags = 0
  for (let at = xml.indexOf('<'); at !== -1; at = xml.indexOf('<', at + 1)) tags++
  return tags <= 2 * MAX_NODES
}

/**
 * Numbers the nodes in document order and compares them by number: by itself the library works an order out from the
 * siblings, in time cubic in their number. Takes elements out of their namespaces, so that plain names match them.
 * False: there are too many nodes, or they are too deep.
 */
function prepareNodes(document: XmlNode): boolean {
  const numbers = new Map<XmlNode, number>()
  function compareDocumentPosition(this: XmlNode, other: XmlNode): number {
    return numbers.get(this)! < numbers.get(other)! ? FOLLOWING : PRECEDING
  }
  function prepare(node: XmlNode, depth: number): boolean {
    if (numbers.size >= MAX_NODES || depth > MAX_DEPTH) return false
    numbers.set(node, numbers.size)
    node.compareDocumentPosition = compareDocumentPosition
    if (node.attributes) {
      for (const attribute of node.attributes) if (!prepare(attribute, depth)) return false
      node.namespaceURI = null
    }
    for (let child = node.firstChild; child !== null; child = child.nextSibling)
      if (!prepare(child, depth + 1)) return false
    return true
  }
  return prepare(document, 0)
}

/** Not imported: only gateways with an XPath extractor need the libraries, and the types of `xpath` would put a browser's globals everywhere. */
function load(): Libraries {
  const require = createRequire(import.meta.url)
  const { parse } = require('xpath') as { parse: Libraries['parseXPath'] }
  const { DOMParser, DOMImplementation } = require('@xmldom/xmldom') as typeof xmldom
  const parser = new DOMParser({
    locator: false,
    onError: (level, message) => {
      throw new Error(`${level}: ${message}`)
    },
  })
  return {
    parseXPath: parse,
    // A byte order mark is no part of the document.
    parseXml: (text) => parser.parseFromString(text.replace(/^\uFEFF/, ''), 'text/xml'),
    emptyDocument: new DOMImplementation().createDocument(null, ''),
  }
}
