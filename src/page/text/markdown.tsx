/**
 * Text of models as Markdown. Nothing in it becomes markup that it brought itself: raw HTML is shown as text, pictures
 * become links, since loading one would tell another host, and what is left goes through DOMPurify.
 */
import DOMPurify from 'dompurify';
import { Marked, type Token, type Tokens } from 'marked';
import { memo } from 'preact/compat';
import { useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import { visible } from '../../contracts/visible-text.ts';

const TAGS = 'a blockquote br code del em h1 h2 h3 h4 h5 h6 hr li ol p pre strong table tbody td th thead tr ul'.split(
  ' ',
);
const ATTRIBUTES = ['href', 'title', 'align', 'start'];
const LINK = /^(?:https?:|mailto:)/i;

const escapeHtml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

const marked = new Marked({
  gfm: true,
  renderer: {
    checkbox: ({ checked }: Tokens.Checkbox) => (checked ? '☑ ' : '☐ '),
    html: ({ text }: Tokens.HTML | Tokens.Tag) => escapeHtml(text),
    image: ({ href, text }: Tokens.Image) => `<a href="${escapeHtml(href)}">[picture: ${escapeHtml(text || href)}]</a>`,
  },
});

DOMPurify.addHook('afterSanitizeAttributes', (node) => {
  if (node.nodeName === 'A') {
    const address = node.getAttribute('href');
    if (address === null || !LINK.test(address)) return node.removeAttribute('href');
    node.setAttribute('target', '_blank');
    node.setAttribute('rel', 'noopener noreferrer nofollow');
    node.setAttribute('title', address);
  }
  if (node.nodeName === 'PRE' || node.nodeName === 'TABLE') node.setAttribute('tabindex', '0');
});

function fragmentOf(tokens: readonly Token[], links: Tokens.Generic): DocumentFragment {
  const list = Object.assign([...tokens], { links });
  return DOMPurify.sanitize(marked.parser(list), {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ATTRIBUTES,
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    ALLOWED_URI_REGEXP: LINK,
    // These two are no addresses.
    ADD_URI_SAFE_ATTR: ['align', 'start'],
    RETURN_DOM_FRAGMENT: true,
  });
}

/** @param isRunning whether more text follows */
export function Markdown({ text, isRunning = false }: { readonly text: string; readonly isRunning?: boolean }) {
  const tokens = useMemo(() => marked.lexer(visible(text)), [text]);
  return (
    <div class={isRunning ? 'markdown running' : 'markdown'}>
      {tokens.map((token, index) =>
        token.type === 'space' ? null : <Block key={index} raw={token.raw} token={token} links={tokens.links} />,
      )}
    </div>
  );
}

interface BlockProps {
  readonly raw: string;
  readonly token: Token;
  readonly links: Tokens.Generic | Record<string, unknown>;
}

/** One block of the text. While a text grows, only its last block is drawn anew. */
const Block = memo(
  ({ token, links }: BlockProps) => {
    const place = useRef<HTMLDivElement>(null);
    useLayoutEffect(() => {
      place.current?.replaceChildren(fragmentOf([token], links as Tokens.Generic)); // the lexer's links
    }, [token, links]);
    return <div ref={place} />;
  },
  (before: BlockProps, after: BlockProps) => before.raw === after.raw,
);
