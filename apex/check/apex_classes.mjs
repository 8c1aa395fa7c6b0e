import { part, parts, partsOf, rule, textOf } from "./apex_tree.mjs";

/**
 * What a parsed file declares: each class, inner ones as "Outer.Inner", with its `fields` and `methods` by name in lower
 * case, as Apex ignores case. A member is `{ type, modifiers, isPrivate, isTestVisible, counts, parameters }`; `counts` are
 * the numbers of arguments that it takes.
 */
export function classesOf(tree) {
  const classes = new Map();
  const top = part(tree, "TypeDeclaration");
  if (top) declare(top, undefined, classes);
  return classes;
}

function declare(holder, outer, classes) {
  const body = parts(holder).find((c) => ["ClassDeclaration", "InterfaceDeclaration", "EnumDeclaration"].includes(rule(c)));
  const name = outer ? `${outer}.${textOf(part(body, "Id"))}` : textOf(part(body, "Id"));
  const superclass = textOf(part(body, "TypeRef"));
  const described = { name, outer, node: body, modifiers: modifiersOf(holder), superclass, isEnum: rule(body) === "EnumDeclaration", fields: new Map(), methods: new Map(), constructors: [] };
  classes.set(name.toLowerCase(), described);
  for (const member of partsOf(part(body, "ClassBody") ?? body, "ClassBodyDeclaration")) {
    const modifiers = modifiersOf(member);
    const declared = parts(part(member, "MemberDeclaration") ?? member)[0];
    const seen = { isPrivate: !/\b(?:public|global|protected)\b/.test(modifiers), isTestVisible: /@testvisible/i.test(modifiers), modifiers };
    if (["ClassDeclaration", "InterfaceDeclaration", "EnumDeclaration"].includes(rule(declared))) {
      declare({ children: [...partsOf(member, "Modifier"), declared] }, name, classes);
    } else if (rule(declared) === "FieldDeclaration") {
      for (const variable of partsOf(part(declared, "VariableDeclarators"), "VariableDeclarator")) {
        described.fields.set(textOf(part(variable, "Id")).toLowerCase(), { ...seen, name: textOf(part(variable, "Id")), type: textOf(part(declared, "TypeRef")) });
      }
    } else if (rule(declared) === "PropertyDeclaration") {
      described.fields.set(textOf(part(declared, "Id")).toLowerCase(), { ...seen, name: textOf(part(declared, "Id")), type: textOf(part(declared, "TypeRef")) });
    } else if (rule(declared) === "ConstructorDeclaration") {
      described.constructors.push(parametersOf(declared).length);
    } else if (rule(declared) === "MethodDeclaration") {
      addMethod(described, declared, seen);
    }
  }
  // An interface has nothing but methods, and all are as visible as itself.
  for (const method of partsOf(part(body, "InterfaceBody") ?? body, "InterfaceMethodDeclaration")) addMethod(described, method, { isPrivate: false, modifiers: "" });
}

function addMethod(described, declared, seen) {
  const name = textOf(part(declared, "Id")).toLowerCase();
  const count = parametersOf(declared).length;
  const known = described.methods.get(name);
  if (known) known.counts.push(count);
  else described.methods.set(name, { ...seen, type: textOf(part(declared, "TypeRef")) ?? "void", counts: [count], parameters: parametersOf(declared) });
}

/** The parameters of a method or constructor: `{ name, type }`. */
export function parametersOf(declared) {
  const list = part(part(declared, "FormalParameters") ?? declared, "FormalParameterList");
  return list ? partsOf(list, "FormalParameter").map((p) => ({ name: textOf(part(p, "Id")), type: textOf(part(p, "TypeRef")) })) : [];
}

const modifiersOf = (holder) => partsOf(holder, "Modifier").map(modifierText).join(" ").toLowerCase();

// "with sharing" is two tokens.
const modifierText = (modifier) => parts(modifier).map((c) => textOf(c)).join(" ");
