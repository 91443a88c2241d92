// Where each part of a document begins in its text, for faults shown in the text.

/** Offsets by path, as the server writes paths; of a text that is no JSON as far as it goes. */
export function placesOf(text: string): Map<string, number> {
  const found = new Map<string, number>();
  let at = 0;
  const skip = () => {
    while (at < text.length && /\s/.test(text[at] ?? "")) at += 1;
  };
  const word = (): string => {
    const start = at;
    if (text[at] === '"') {
      at += 1;
      while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
      at += 1;
    } else while (at < text.length && !/[\s,\]}:]/.test(text[at] ?? "")) at += 1;
    try {
      return String(JSON.parse(text.slice(start, at)));
    } catch {
      return "";
    }
  };
  const value = (path: string, depth: number): void => {
    skip();
    if (!found.has(path)) found.set(path, at);
    const open = text[at];
    if ((open !== "{" && open !== "[") || depth > 100) {
      word();
      return;
    }
    const close = open === "{" ? "}" : "]";
    at += 1;
    for (let index = 0; at < text.length; index += 1) {
      skip();
      const before = at;
      if (text[at] === close) {
        at += 1;
        return;
      }
      if (text[at] === ",") {
        at += 1;
        index -= 1;
        continue;
      }
      if (open === "[") value(`${path}[${index}]`, depth + 1);
      else {
        const key = word();
        skip();
        if (text[at] === ":") at += 1;
        const inner = path ? `${path}.${key}` : key;
        if (!found.has(inner)) found.set(inner, before);
        value(inner, depth + 1);
      }
      if (at === before) at += 1;
    }
  };
  value("", 0);
  return found;
}

/** The place of a path, or of the nearest part around it that is there. */
export function placeOf(text: string, path: string, found: ReadonlyMap<string, number> = placesOf(text)): number {
  let part = path;
  while (part && !found.has(part)) part = part.replace(/(\.[^.[\]]*|\[\d+\]|^[^.[\]]+)$/, "");
  return found.get(part) ?? 0;
}

export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}
