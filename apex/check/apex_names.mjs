import { classesOf, parametersOf } from "./apex_classes.mjs";
import { part, parts, partsOf, rule, textOf } from "./apex_tree.mjs";

// The compiler's work, as far as it can be done without an org: names of our own classes and their members, among them all
// that come from the contract. What belongs to the platform is not known here and passes.

const FROM_EXCEPTION = ["getcause", "getlinenumber", "getmessage", "getstacktracestring", "gettypename", "initcause", "setmessage"];
const FROM_OBJECT = ["equals", "hashcode", "tostring"];
const PRIMITIVES = ["boolean", "date", "datetime", "decimal", "double", "id", "integer", "long", "string", "time", "blob"];
// What may stand where something else is expected, besides the same.
const FITS = { "integer long": 1, "integer decimal": 1, "integer double": 1, "long decimal": 1, "long double": 1, "id string": 1, "string id": 1, "date datetime": 1 };

/** Faults for each name that is not declared, is private to another class, or has another number of arguments. */
export function checkNames(trees) {
  const classes = new Map(trees.flatMap(({ tree }) => [...classesOf(tree)]));
  const faults = [];
  for (const { path, tree } of trees) new File(path, classes, faults).read(tree);
  return faults;
}

class File {
  constructor(path, classes, faults) {
    Object.assign(this, { path, classes, faults, scopes: [], owner: undefined });
  }

  fault(node, message) {
    this.faults.push(`${this.path}:${node.start?.line ?? node.symbol?.line}: ${message}`);
  }

  read(node) {
    const kind = rule(node);
    const walk = () => parts(node).forEach((c) => this.read(c));
    const inside = (action) => {
      this.scopes.push(new Map());
      action();
      this.scopes.pop();
    };
    switch (kind) {
      case "ClassDeclaration":
      case "InterfaceDeclaration":
      case "EnumDeclaration": {
        const outer = this.owner;
        const name = textOf(part(node, "Id")).toLowerCase();
        this.owner = this.classes.get(outer ? `${outer.name.toLowerCase()}.${name}` : name);
        walk();
        this.owner = outer;
        return;
      }
      case "MethodDeclaration":
      case "ConstructorDeclaration":
        inside(() => {
          for (const { name, type } of parametersOf(node)) this.declare(name, type);
          walk();
        });
        return;
      case "Block":
      case "ForStatement":
      case "CatchClause":
        inside(() => {
          if (kind === "CatchClause") this.declare(textOf(part(node, "Id")), textOf(part(node, "QualifiedName")));
          walk();
        });
        return;
      case "EnhancedForControl":
        this.declare(textOf(part(node, "Id")), textOf(part(node, "TypeRef")));
        walk();
        return;
      case "LocalVariableDeclaration":
        for (const variable of partsOf(part(node, "VariableDeclarators"), "VariableDeclarator")) this.declare(textOf(part(variable, "Id")), textOf(part(node, "TypeRef")));
        walk();
        return;
      case "TypeRef":
        this.checkType(node, textOf(node));
        return;
      case "AssignExpression": {
        const [left, , right] = parts(node);
        this.checkFit(node, this.typeOf(left), this.typeOf(right));
        return;
      }
      default:
        if (/Expression$|Primary$/.test(kind) && !["ExpressionList", "ParExpression"].includes(kind)) this.typeOf(node);
        else walk();
    }
  }

  declare(name, type) {
    this.scopes.at(-1).set(name.toLowerCase(), type);
  }

  /** Each of our names in a type, such as List<PaybridgeApi.Customer>. */
  checkType(node, type) {
    for (const [name] of type.matchAll(/[A-Za-z_][\w.]*/g)) {
      if (/^paybridge/i.test(name) && !this.classes.has(name.toLowerCase())) this.fault(node, `there is no class ${name}`);
    }
  }

  checkFit(node, expected, found) {
    const [to, from] = [expected?.toLowerCase(), found?.toLowerCase()];
    if (!PRIMITIVES.includes(to) || !PRIMITIVES.includes(from) || to === from || FITS[`${from} ${to}`]) return;
    this.fault(node, `a ${found} does not fit into a ${expected}`);
  }

  /** A class of ours by its name as written here: an inner class of the owner or of its outer class, or a full name. */
  classOf(type) {
    if (!type) return undefined;
    const name = type.toLowerCase();
    for (const at of [this.owner?.name, this.owner?.outer]) {
      const inner = at && this.classes.get(`${at.toLowerCase()}.${name}`);
      if (inner) return inner;
    }
    return this.classes.get(name);
  }

  /** The type of an expression where it is known, with the full name of a class of ours; everything in it is checked. */
  typeOf(node) {
    const found = this.infer(node);
    return found && this.full(found);
  }

  full(type) {
    return type.replace(/[A-Za-z_][\w.]*/g, (name) => this.classOf(name)?.name ?? name);
  }

  infer(node) {
    const children = parts(node);
    const readAll = () => children.forEach((c) => this.read(c));
    switch (rule(node)) {
      case "PrimaryExpression":
        return this.typeOf(children[0]);
      case "IdPrimary":
        return this.variable(node, textOf(node));
      case "ThisPrimary":
        return this.owner.name;
      case "LiteralPrimary":
        return literal(textOf(node));
      case "SubExpression":
        return this.typeOf(children[1]);
      case "CastExpression":
        this.read(part(node, "TypeRef"));
        this.typeOf(children.at(-1));
        return textOf(part(node, "TypeRef"));
      case "ArrayExpression": {
        const list = this.typeOf(children[0]);
        this.typeOf(children[2]);
        return elementOf(list);
      }
      case "NewExpression":
        return this.created(part(node, "Creator"));
      case "MethodCallExpression": {
        const call = part(node, "MethodCall");
        const count = this.argumentsOf(call);
        const name = textOf(parts(call)[0]);
        if (!part(call, "Id")) return undefined;
        for (const owner of [this.owner, this.classOf(this.owner?.outer)]) {
          const method = owner?.methods.get(name.toLowerCase());
          if (method) return this.called(node, owner, name, method, count);
        }
        this.fault(node, `${name}() is not declared`);
        return undefined;
      }
      case "DotExpression":
        return this.dotted(node);
      default:
        readAll();
        return undefined;
    }
  }

  variable(node, name) {
    const key = name.toLowerCase();
    for (const scope of [...this.scopes].reverse()) if (scope.has(key)) return scope.get(key);
    for (const owner of [this.owner, this.classOf(this.owner?.outer)]) if (owner?.fields.has(key)) return owner.fields.get(key).type;
    const named = this.classOf(name);
    if (named) return `static ${named.name}`;
    if (/^paybridge/i.test(name)) this.fault(node, `there is no class ${name}`);
    else if (/^[a-z]/.test(name)) this.fault(node, `${name} is not declared`);
    return undefined;
  }

  dotted(node) {
    const [base, , member] = parts(node);
    const type = this.typeOf(base);
    const isStatic = type?.startsWith("static ");
    const owner = this.classOf(type?.replace("static ", ""));
    const call = rule(member) === "DotMethodCall";
    const count = call ? this.argumentsOf(member) : 0;
    const name = textOf(call ? parts(member)[0] : member);
    if (!owner) return call ? fromCollection(type, name) : undefined;
    if (call) {
      const method = owner.methods.get(name.toLowerCase());
      if (method) return this.called(node, owner, name, method, count);
      const inherited = FROM_OBJECT.includes(name.toLowerCase()) || owner.isEnum || (/exception$/i.test(owner.superclass ?? "") && FROM_EXCEPTION.includes(name.toLowerCase()));
      if (!inherited) this.fault(node, `${owner.name} has no method ${name}`);
      return undefined;
    }
    const field = owner.fields.get(name.toLowerCase());
    if (field) return this.reach(node, owner, name, field).type;
    const inner = this.classes.get(`${owner.name}.${name}`.toLowerCase());
    if (isStatic && inner) return `static ${inner.name}`;
    if (!(isStatic && (name === "class" || owner.isEnum))) this.fault(node, `${owner.name} has no ${name}`);
    return undefined;
  }

  called(node, owner, name, method, count) {
    if (!method.counts.includes(count)) this.fault(node, `${owner.name}.${name} takes ${method.counts.join(" or ")} arguments, not ${count}`);
    return this.reach(node, owner, name, method).type;
  }

  /** Private is private to the file; tests see what is marked for them. */
  reach(node, owner, name, member) {
    const outermost = (full) => full?.split(".")[0];
    if (member.isPrivate && !member.isTestVisible && outermost(owner.name) !== outermost(this.owner?.name)) this.fault(node, `${owner.name}.${name} is private`);
    return { type: typeIn(owner, member.type, this.classes) };
  }

  created(creator) {
    parts(creator).slice(1).forEach((c) => this.read(c));
    const name = textOf(part(creator, "CreatedName"));
    if (!name) return undefined;
    this.checkType(creator, name);
    const owner = this.classOf(name);
    const rest = part(creator, "ClassCreatorRest");
    if (owner && rest) {
      const count = argumentCount(part(rest, "Arguments"));
      const allowed = owner.constructors.length > 0 ? owner.constructors : /exception$/i.test(owner.superclass ?? "") ? [0, 1, 2] : [0];
      if (!allowed.includes(count)) this.fault(creator, `${owner.name} is made with ${allowed.join(" or ")} arguments, not ${count}`);
    }
    return name;
  }

  argumentsOf(call) {
    const list = part(call, "ExpressionList");
    if (!list) return 0;
    const given = parts(list).filter((c) => rule(c));
    given.forEach((c) => this.typeOf(c));
    return given.length;
  }
}

const argumentCount = (args) => (part(args, "ExpressionList") ? parts(part(args, "ExpressionList")).filter((c) => rule(c)).length : 0);

/** A type as written in `owner`, with the full names of its inner classes. */
function typeIn(owner, type, classes) {
  return type.replace(/[A-Za-z_][\w.]*/g, (name) => {
    for (const at of [owner.name, owner.outer]) {
      const inner = at && classes.get(`${at}.${name}`.toLowerCase());
      if (inner) return inner.name;
    }
    return name;
  });
}

const elementOf = (type) => /^(?:List|Set)<(.*)>$/i.exec(type ?? "")?.[1] ?? /^(.*)\[\]$/.exec(type ?? "")?.[1];

function fromCollection(type, method) {
  if (!/^get$/i.test(method)) return undefined;
  return /^Map<[^,<>]*,(.*)>$/i.exec(type ?? "")?.[1] ?? elementOf(type);
}

function literal(text) {
  if (text.startsWith("'")) return "String";
  if (/^(?:true|false)$/i.test(text)) return "Boolean";
  if (/^\d+$/.test(text)) return "Integer";
  if (/^\d+l$/i.test(text)) return "Long";
  if (/^\d*\.\d+$/.test(text)) return "Decimal";
  return undefined;
}
