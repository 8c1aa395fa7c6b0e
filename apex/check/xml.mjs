import { SaxesParser } from "saxes";

/** An element: `name`, `text` (trimmed), `children` in document order, `line`. Throws on XML that is not well-formed. */
export function parseXml(source) {
  const parser = new SaxesParser({ xmlns: true });
  const open = [];
  let root;
  parser.on("error", (error) => {
    throw error;
  });
  parser.on("opentag", (tag) => {
    const element = { name: tag.local, namespace: tag.uri, text: "", children: [], line: parser.line };
    if (open.length > 0) open.at(-1).children.push(element);
    else root = element;
    open.push(element);
  });
  parser.on("text", (text) => {
    if (open.length > 0) open.at(-1).text += text;
  });
  parser.on("closetag", () => {
    const element = open.pop();
    if (element.children.length > 0) element.text = element.text.trim();
  });
  parser.write(source).close();
  return root;
}

/** The first child of that name. */
export const child = (element, name) => element.children.find((c) => c.name === name);

/** All children of that name. */
export const childrenOf = (element, name) => element.children.filter((c) => c.name === name);

/** The text of the first child of that name, or undefined. */
export const textOf = (element, name) => child(element, name)?.text;
