// Random strings made to be difficult, the same on every run.
import fs from 'node:fs';
import path from 'node:path';

let state = 20261122; // mulberry32
function random() {
  state = state + 0x6D2B79F5 | 0;
  let t = Math.imul(state ^ state >>> 15, 1 | state);
  t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
  return ((t ^ t >>> 14) >>> 0) / 4294967296;
}
const int = (from, to) => from + Math.floor(random() * (to - from + 1));
const pick = list => list[int(0, list.length - 1)];
const repeat = (make, times) => Array.from({ length: times }, make).join('');
function rune(from, to) {
  for (;;) {
    const code = int(from, to);
    if (code < 0xD800 || code > 0xDFFF) return String.fromCodePoint(code);
  }
}

const code = ['function f(x) {\n    return x*x + 1;\n}\n', 'if (a==b && c!=d) { i++; }', '\tfor i in range(10):\n\t\tprint(f"{i:>3}")\n', '#include <stdio.h>\r\nint main(void)\r\n{\r\n  return 0;\r\n}',
  'SELECT * FROM t WHERE x >= 1.5e-3;', '<div class="a">&nbsp;</div>', 'https://example.com/a?b=c&d=%20#x', '__init__.py', 'x->y::z<T>()', '/* 注释 */ // ok'];
const words = ['the', 'The', "don't", "I'M", "we'LL", "they'Ve", "it's", "O'Neill", 'naïve', 'café', 'CAFÉ', 'cafe\u0301', 'İstanbul', 'ſ', "'ſ", 'ß', 'Straße', 'ﬁ', 'Å', 'A\u030A', 'Ω', '\u2126', 'ǅ', 'हिन्दी', 'ภาษาไทย', 'العربية', 'עברית', '日本語', '한국어',
  '\u1112\u1161\u11AB', 'の', '中文', '鑫', '𠮷', '𝒳', '𐌰𐌱', '🏳️‍🌈', '👩‍👩‍👧', '👍🏽', '🇩🇪', '①', '½', '٣', '१२', 'ⅷ', '12345', '3.14', '1,000', '____', '...', '——', '“quoted”', '‘x’', '…', '、', '。', '！', '\u3000', '\u00A0', '\u200B', '\u200D', '\uFEFF', '\u0085', '\u2028',
  '\u2029', '\u00AD', '\u0000', '\u001C', '\u007F', '\t', '\n', '\r\n', '\r', '   ', '\n\n\n', '\v', '\f', '▁', '▁▁', '##ing', 'Ġ', 'Ċ', '<0x0A>', '<0xFF>', '\uFFFD', '\uFFFE', '\uFFFF', '\u{10FFFF}', '\uE000', '\u0301', '\u0E48', '\u0300\u0301\u0315\u0338', '<', '>', '[', ']', '|', 'qzq', 'aqzq'];

export function texts(json, data, count) {
  const tokens = json.added_tokens.map(token => token.content);
  const vocabulary = Object.keys(json.model.vocab);
  const corpus = path.join(data, 'corpus');
  const prose = fs.readdirSync(corpus).map(file => fs.readFileSync(path.join(corpus, file), 'utf8'));
  const kinds = [
    () => { const text = pick(prose), at = int(0, Math.max(0, text.length - 400)); return text.slice(at, at + int(1, 300)); },
    () => repeat(() => rune(0, 0x10FFFF), int(1, 30)), () => repeat(() => rune(0, 0x2FFF), int(1, 40)), () => repeat(() => rune(0x20, 0x7E), int(1, 80)), () => repeat(() => rune(0, 0x24F), int(1, 40)),
    () => repeat(() => pick(words) + pick(['', '', ' ', ' ', '  ', '\n']), int(1, 12)), () => repeat(() => pick(words), int(1, 15)), () => repeat(() => pick(code) + pick(['', '\n', ' ']), int(1, 4)),
    () => repeat(() => pick([' ', ' ', '\n', '\t', '\r', '\u00A0', '\u3000', 'a', '.']), int(1, 40)), () => pick([' ', '\n', '\t', 'a', '=', '1', '中', '😀', 'é', '!', '\r\n', '▁']).repeat(int(1, 600)),
    () => repeat(() => rune(0x4E00, 0x9FFF), int(1, 60)), () => repeat(() => rune(0x3400, 0x4DBF) + rune(0x20000, 0x2A6DF), int(1, 10)), () => repeat(() => rune(0x600, 0x6FF), int(1, 40)),
    () => repeat(() => rune(0xE00, 0xE7F), int(1, 40)), () => repeat(() => rune(0xAC00, 0xD7A3) + pick(['', ' ']), int(1, 30)), () => repeat(() => rune(0x1F300, 0x1FAFF) + pick(['', '\u200D', '\uFE0F', '\u{1F3FD}']), int(1, 12)),
    () => repeat(() => pick('aeiouAEOUnc中') + repeat(() => rune(0x300, 0x36F), int(0, 4)), int(1, 15)), () => repeat(() => int(0, 9), int(1, 60)), () => repeat(() => pick(vocabulary) + pick(['', ' ']), int(1, 10)),
    () => repeat(() => pick([pick(tokens), pick(words), ' ', '  ', pick(words) + ' ', '\n']), int(1, 12)), () => repeat(() => pick(tokens).slice(0, int(1, 20)) + pick(['', ' ', 'x']), int(1, 6)),
    () => repeat(() => pick([pick(tokens), pick(tokens).toUpperCase(), pick(tokens).toLowerCase()]) + pick(['', ' ', 'x', '_', '\n ']), int(1, 6)), () => repeat(() => rune(0x1100, 0x11FF), int(1, 20)),
    () => repeat(() => rune(0x2000, 0x2BFF), int(1, 30)), () => repeat(() => rune(0x10000, 0x1FFFF), int(1, 12)),
  ];
  const loneSurrogate = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/;
  return Array.from({ length: count }, (_, i) => kinds[i % kinds.length]()).filter(text => !loneSurrogate.test(text));
}
