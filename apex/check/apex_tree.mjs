import { ApexErrorListener, ApexParserFactory } from "@apexdevtools/apex-parser";

// The same file is parsed once, however many projects of a test have it.
const parsed = new Map();

/** Parses a class or trigger by the open grammar: `{ tree, faults }`. */
export function parseApex({ path, text }) {
  const key = `${path}\n${text}`;
  if (!parsed.has(key)) parsed.set(key, parse(path, text));
  return parsed.get(key);
}

function parse(path, text) {
  const faults = [];
  const listener = new (class extends ApexErrorListener {
    apexSyntaxError(line, column, message) {
      faults.push(`${path}:${line}:${column}: ${message.slice(0, 120)}`);
    }
  })();
  const { parser } = ApexParserFactory.createLexerAndParser(text, listener);
  return { tree: path.endsWith(".trigger") ? parser.triggerUnit() : parser.compilationUnit(), faults };
}

/** The rule that a node comes from, such as "DotExpression"; "" for a token. */
export const rule = (node) => (node.symbol ? "" : node.constructor.name.replace(/Context$/, ""));

/** The children, tokens among them. */
export const parts = (node) => node.children ?? [];

/** The first child that comes from this rule. */
export const part = (node, name) => parts(node).find((c) => rule(c) === name);

/** All children that come from this rule. */
export const partsOf = (node, name) => parts(node).filter((c) => rule(c) === name);

/** The text of a node without blanks, or undefined. */
export const textOf = (node) => node?.getText();
