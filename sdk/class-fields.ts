/**
 * Tells which fields a class declares, from its source text. A field (`fetch = app.fetch`, `predict = batch(…)`) only
 * exists once an instance does, and constructing one at deploy would run the user's constructor on the wrong machine.
 * The scanner walks the class body by brackets and looks at the beginnings of members; what is in strings, templates,
 * comments and regular expressions is skipped.
 */

/** After one of these a slash begins a regular expression, not a division. */
const BEFORE_REGEX = /(?:^|[=(,:;!&|?{}[+\-*%<>~^]|\breturn|\btypeof|\bcase|\bin|\bof|\bnew|\bawait|\byield)\s*$/;
const IDENTIFIER = /^[A-Za-z_$][\w$]*/;

/** Whether a class, or one it extends, declares a field or method of this name. Never constructs it. */
export function declaresMember(target: abstract new (...args: never[]) => object, name: string): boolean {
  if (name in (target.prototype as object)) return true;
  for (
    let at: unknown = target;
    typeof at === "function" && at !== Function.prototype;
    at = Object.getPrototypeOf(at)
  ) {
    if (declaresField(Function.prototype.toString.call(at), name)) return true;
  }
  return false;
}

/** Whether the source text of a class declares a field of this name. */
export function declaresField(source: string, name: string): boolean {
  // Compilers that lower fields assign them in the constructor instead.
  const lowered = new RegExp(`\\bthis\\.${name}\\s*=(?!=)|__publicField\\(this, "${name}"`);
  return lowered.test(source) || hasFieldAtTop(source, name);
}

function hasFieldAtTop(source: string, name: string): boolean {
  let depth = 0;
  let isMemberStart = false;
  let at = 0;
  while (at < source.length) {
    const skipped = skipOpaque(source, at);
    if (skipped > at) {
      at = skipped;
      continue;
    }
    const char = source.charAt(at);
    const word = IDENTIFIER.exec(source.slice(at, at + 256))?.[0];
    if (word !== undefined) {
      if (depth === 1 && isMemberStart && word === name && /^\s*(?:=(?!=)|;|\})/.test(source.slice(at + word.length)))
        return true;
      isMemberStart = false;
      at += word.length;
      continue;
    }
    if ("{([".includes(char)) depth++;
    if ("})]".includes(char)) depth--;
    if (char === "{" || char === "}" || char === ";" || char === "\n") isMemberStart = depth === 1;
    else if (char.trim() !== "") isMemberStart = false;
    at++;
  }
  return false;
}

/** Where the string, template, comment or regular expression that begins at `at` ends; `at` when none does. */
function skipOpaque(source: string, at: number): number {
  const char = source.charAt(at);
  if (char === '"' || char === "'") return skipQuoted(source, at, char);
  if (char === "`") return skipTemplate(source, at);
  if (char !== "/") return at;
  const next = source.charAt(at + 1);
  if (next === "/") return endOf(source, "\n", at) - 1;
  if (next === "*") return endOf(source, "*/", at + 2);
  return BEFORE_REGEX.test(source.slice(Math.max(0, at - 20), at)) ? skipRegex(source, at) : at;
}

function skipQuoted(source: string, start: number, quote: string): number {
  for (let at = start + 1; at < source.length; at++) {
    if (source.charAt(at) === "\\") at++;
    else if (source.charAt(at) === quote) return at + 1;
  }
  return source.length;
}

function skipTemplate(source: string, start: number): number {
  let at = start + 1;
  while (at < source.length) {
    if (source.charAt(at) === "\\") at += 2;
    else if (source.charAt(at) === "`") return at + 1;
    else if (source.startsWith("${", at)) at = skipBraces(source, at + 2);
    else at++;
  }
  return at;
}

/** From inside a brace to after the one that closes it. */
function skipBraces(source: string, start: number): number {
  let depth = 1;
  let at = start;
  while (at < source.length && depth > 0) {
    const skipped = skipOpaque(source, at);
    if (skipped > at) {
      at = skipped;
      continue;
    }
    if (source.charAt(at) === "{") depth++;
    if (source.charAt(at) === "}") depth--;
    at++;
  }
  return at;
}

function skipRegex(source: string, start: number): number {
  let isInClass = false;
  for (let at = start + 1; at < source.length; at++) {
    const char = source.charAt(at);
    if (char === "\\") at++;
    else if (char === "[") isInClass = true;
    else if (char === "]") isInClass = false;
    else if (char === "/" && !isInClass) return at + 1;
    else if (char === "\n") return start;
  }
  return start;
}

function endOf(source: string, text: string, from: number): number {
  const found = source.indexOf(text, from);
  return found < 0 ? source.length : found + text.length;
}
