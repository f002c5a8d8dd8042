/**
 * libxml2 behind a small read-only face. The parser is kept strict and poor: no network, no DTD, no declarations of any kind (the first one stops
 * it), no entity but the predefined ones, named limits for depth and number of nodes. What a caller took from the tree stays valid until
 * the document is freed, also when the node was removed or rewritten: such nodes wait in a list.
 */
#include "formats/xml/xml.h"

#include <pthread.h>
#include <string.h>

#include <libxml/parser.h>
#include <libxml/tree.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "formats/xml/mend.h"

#if LIBXML_VERSION >= 21200
typedef const xmlError *error_arg;
#else
typedef xmlErrorPtr error_arg;
#endif

/** Text put together from several nodes; lives as long as its document. */
typedef struct joined { struct joined *next; char text[]; } joined;
typedef struct pool { joined *texts; xmlNodePtr removed; } pool;

struct shn_xml { xmlDocPtr doc; pool *pool; };

/** What the callbacks of one parse share, through ctxt->_private. */
typedef struct parse {
    size_t      n_nodes;
    const char *refused;            /* words of the limit or rule that stopped the parser */
    shn_reason  reason;
    int         line;
    char        words[160];         /* libxml2's, of the first error */
    startElementNsSAX2Func start;
    commentSAXFunc  comment;
    cdataBlockSAXFunc cdata;
    processingInstructionSAXFunc instruction;
} parse;

static parse *parse_of(void *ctx) { return ((xmlParserCtxtPtr)ctx)->_private; }

static void stop(xmlParserCtxtPtr ctxt, shn_reason reason, const char *words)
{
    parse *p = ctxt->_private;
    if (!p->refused) {
        p->refused = words;
        p->reason = reason;
        p->line = ctxt->input ? ctxt->input->line : 0;
    }
    xmlStopParser(ctxt);
}

static int count(void *ctx, size_t n)
{
    parse *p = parse_of(ctx);
    p->n_nodes += n;
    if (p->n_nodes <= SHN_XML_NODES_MAX) return 1;
    stop(ctx, SHN_REASON_LIMIT, "more elements and attributes than a recording needs");
    return 0;
}

static void on_start(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri, int n_namespaces, const xmlChar **namespaces,
                     int n_attributes, int n_defaulted, const xmlChar **attributes)
{
    xmlParserCtxtPtr ctxt = ctx;
    if (!count(ctx, 1 + (size_t)n_attributes + (size_t)n_namespaces)) return;
    if (ctxt->nodeNr >= SHN_XML_DEPTH_MAX) {
        stop(ctxt, SHN_REASON_LIMIT, "elements nested deeper than any recording's");
        return;
    }
    parse_of(ctx)->start(ctx, name, prefix, uri, n_namespaces, namespaces, n_attributes, n_defaulted, attributes);
}

static void on_comment(void *ctx, const xmlChar *text) { if (count(ctx, 1)) parse_of(ctx)->comment(ctx, text); }
static void on_cdata(void *ctx, const xmlChar *text, int n) { if (count(ctx, 1)) parse_of(ctx)->cdata(ctx, text, n); }
static void on_instruction(void *ctx, const xmlChar *target, const xmlChar *data)
{
    if (count(ctx, 1)) parse_of(ctx)->instruction(ctx, target, data);
}

static const char declared[] = "a DOCTYPE with declarations is refused; remove it";
static void on_entity(void *ctx, const xmlChar *name, int type, const xmlChar *public_id, const xmlChar *system_id, xmlChar *content)
{
    (void)name; (void)type; (void)public_id; (void)system_id; (void)content;
    stop(ctx, SHN_REASON_BAD_HEADER, declared);
}
static void on_attribute(void *ctx, const xmlChar *element, const xmlChar *name, int type, int def, const xmlChar *value, xmlEnumerationPtr tree)
{
    (void)element; (void)name; (void)type; (void)def; (void)value;
    xmlFreeEnumeration(tree);
    stop(ctx, SHN_REASON_BAD_HEADER, declared);
}
static void on_element(void *ctx, const xmlChar *name, int type, xmlElementContentPtr content)
{
    (void)name; (void)type; (void)content;
    stop(ctx, SHN_REASON_BAD_HEADER, declared);
}
static void on_notation(void *ctx, const xmlChar *name, const xmlChar *public_id, const xmlChar *system_id)
{
    (void)name; (void)public_id; (void)system_id;
    stop(ctx, SHN_REASON_BAD_HEADER, declared);
}
static void on_unparsed(void *ctx, const xmlChar *name, const xmlChar *public_id, const xmlChar *system_id, const xmlChar *notation)
{
    (void)name; (void)public_id; (void)system_id; (void)notation;
    stop(ctx, SHN_REASON_BAD_HEADER, declared);
}

static void on_error(void *ctx, error_arg error)
{
    parse *p = parse_of(ctx);
    if (!p || p->words[0] || error->level < XML_ERR_FATAL) return;
    size_t n = 0;
    for (const char *c = error->message; c && *c && *c != '\n' && n + 1 < sizeof p->words; c++) p->words[n++] = *c;
    if (n == 0) p->words[n++] = '?';
    p->words[n] = '\0';
    if (!p->line) p->line = error->line;
}

static void watch(xmlParserCtxtPtr ctxt, parse *p)
{
    xmlSAXHandler *sax = ctxt->sax;
    ctxt->_private = p;
    p->start = sax->startElementNs;
    p->comment = sax->comment;
    p->cdata = sax->cdataBlock;
    p->instruction = sax->processingInstruction;
    sax->startElementNs = on_start;
    sax->comment = on_comment;
    sax->cdataBlock = on_cdata;
    sax->processingInstruction = on_instruction;
    sax->entityDecl = on_entity;
    sax->attributeDecl = on_attribute;
    sax->elementDecl = on_element;
    sax->notationDecl = on_notation;
    sax->unparsedEntityDecl = on_unparsed;
    sax->serror = on_error;
}

/** 1 if the text does not end with an end tag: the last thing a whole document has, but for space, comments and padding. */
static int ends_early(const char *text, size_t n)
{
    for (;;) {
        while (n && ((unsigned char)text[n - 1] <= ' ')) n--;
        if (n == 0 || text[n - 1] != '>') return 1;
        size_t open = n - 1;
        while (open && text[open] != '<') open--;
        if (text[open] != '<') return 1;
        if (n - open >= 7 && memcmp(text + open, "<!--", 4) == 0 && memcmp(text + n - 3, "-->", 3) == 0) {
            n = open;
            continue;
        }
        if (text[open + 1] != '/') return text[n - 2] != '/';
        /* the end tag must be the root's: the name that the first start tag has */
        const char *root = text;
        while (root < text + open && !(*root == '<' && root[1] != '?' && root[1] != '!')) root++;
        const char *end_name = text + open + 2;
        size_t      k = 0;
        while (end_name[k] != '>' && (unsigned char)end_name[k] > ' ') k++;
        return (size_t)(text + open - root) <= k || memcmp(root + 1, end_name, k) != 0;
    }
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

static shn_status failed(const parse *p, const char *text, size_t n, const char *where, shn_error *err)
{
    if (p->refused)
        return shn_fail(err, p->reason == SHN_REASON_LIMIT ? SHN_RANGE : SHN_FORMAT, p->reason, where, "line %d: %s", p->line, p->refused);
    if (ends_early(text, n))
        return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, where, "line %d: the document ends early (%s); export the file again", p->line,
                        p->words[0] ? p->words : "no end tag");
    return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, where, "line %d: %s; the file is damaged or no XML", p->line,
                    p->words[0] ? p->words : "no document");
}

static shn_status parse_text(const char *text, size_t n, int utf8, const char *where, xmlDocPtr *out, shn_error *err)
{
    parse            p = { 0 };
    xmlParserCtxtPtr ctxt = xmlNewParserCtxt();
    if (!ctxt) return shn_fail_nomem(err, where);
    watch(ctxt, &p);
    /* HUGE lifts libxml2's own limits (10 MB of text), ours apply; without DTDLOAD, NOENT and with NONET nothing is fetched or expanded */
    xmlDocPtr doc = xmlCtxtReadMemory(ctxt, text, (int)n, NULL, utf8 ? "UTF-8" : NULL, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_HUGE);
    shn_status st = SHN_OK;
    if (ctxt->errNo == XML_ERR_NO_MEMORY) st = shn_fail_nomem(err, where);
    else if (!doc || p.refused || !xmlDocGetRootElement(doc)) st = failed(&p, text, n, where, err);
    if (!doc && ctxt->myDoc) xmlFreeDoc(ctxt->myDoc);
    xmlFreeParserCtxt(ctxt);
    if (st != SHN_OK) {
        xmlFreeDoc(doc);
        return st;
    }
    *out = doc;
    return SHN_OK;
}

shn_status shn_xml_parse(const uint8_t *bytes, size_t n_bytes, const char *where, shn_xml **out, size_t *mended, shn_error *err)
{
    size_t      n_mended = 0, n_text;
    const char *text;
    char       *owned = NULL;
    int         utf8;
    *out = NULL;
    if (mended) *mended = 0;
    if (n_bytes == 0) return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, where, "the file is empty");
    if (n_bytes > SHN_XML_BYTES_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, where, "%zu bytes of XML; at most %zu are read", n_bytes, SHN_XML_BYTES_MAX);
    pthread_once(&once, xmlInitParser);
    shn_xml *doc = shn_alloc(1, sizeof *doc);
    if (doc) doc->pool = shn_alloc(1, sizeof *doc->pool);
    shn_status st = doc && doc->pool ? SHN_OK : shn_fail_nomem(err, where);
    if (st == SHN_OK) st = shn_xml_mend(bytes, n_bytes, where, &text, &n_text, &owned, &utf8, &n_mended, err);
    if (st == SHN_OK && n_text > INT32_MAX - 16)
        st = shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, where, "%zu bytes of XML text", n_text);
    if (st == SHN_OK) st = parse_text(text, n_text, utf8, where, &doc->doc, err);
    free(owned);
    if (st != SHN_OK) {
        shn_xml_free(doc);
        return st;
    }
    if (mended) *mended = n_mended;
    *out = doc;
    return SHN_OK;
}

void shn_xml_free(shn_xml *doc)
{
    if (!doc) return;
    if (doc->pool) {
        for (xmlNodePtr node = doc->pool->removed, next; node; node = next) {
            next = node->next;
            node->next = NULL;
            xmlFreeNode(node);
        }
        for (joined *text = doc->pool->texts, *next; text; text = next) {
            next = text->next;
            free(text);
        }
    }
    xmlFreeDoc(doc->doc);
    free(doc->pool);
    free(doc);
}

/* ---- reading the tree ---- */

static xmlNode *inner(const shn_xml_node *node) { return (xmlNode *)(uintptr_t)node; }
static const shn_xml_node *outer(const xmlNode *node) { return (const shn_xml_node *)node; }

/** A prefix without declaration stays in libxml2's name. */
static const char *local(const xmlChar *name)
{
    const char *colon = name ? strrchr((const char *)name, ':') : NULL;
    return colon ? colon + 1 : name ? (const char *)name : "";
}

static const shn_xml_node *from(const xmlNode *node, const char *name)
{
    for (; node; node = node->next)
        if (node->type == XML_ELEMENT_NODE && (!name || strcmp(local(node->name), name) == 0)) return outer(node);
    return NULL;
}

const shn_xml_node *shn_xml_root(const shn_xml *doc) { return outer(xmlDocGetRootElement(doc->doc)); }
const char *shn_xml_name(const shn_xml_node *node) { return node ? local(inner(node)->name) : ""; }

unsigned shn_xml_line(const shn_xml_node *node)
{
    const long line = node ? xmlGetLineNo(inner(node)) : 0;
    return line > 0 ? (unsigned)line : 0;
}

const shn_xml_node *shn_xml_child(const shn_xml_node *node, const char *name) { return node ? from(inner(node)->children, name) : NULL; }
const shn_xml_node *shn_xml_next(const shn_xml_node *node, const char *name) { return node ? from(inner(node)->next, name) : NULL; }

const shn_xml_node *shn_xml_find(const shn_xml_node *node, const char *path)
{
    while (node && *path) {
        char         name[64];
        const size_t n = strcspn(path, "/");
        if (n >= sizeof name) return NULL;
        memcpy(name, path, n);
        name[n] = '\0';
        node = shn_xml_child(node, name);
        path += n + (path[n] == '/');
    }
    return node;
}

const shn_xml_node *shn_xml_descend(const shn_xml_node *within, const shn_xml_node *at, const char *name)
{
    if (!within) return NULL;
    const xmlNode *top = inner(within), *node = at ? inner(at) : top;
    for (;;) {
        if (node->type == XML_ELEMENT_NODE && node->children) {
            node = node->children;
        } else {
            while (node != top && !node->next) node = node->parent;
            if (node == top) return NULL;
            node = node->next;
        }
        if (node->type == XML_ELEMENT_NODE && (!name || strcmp(local(node->name), name) == 0)) return outer(node);
    }
}

static int is_text(const xmlNode *node) { return node->type == XML_TEXT_NODE || node->type == XML_CDATA_SECTION_NODE; }

/** The next node of any kind below top in document order. */
static const xmlNode *walk(const xmlNode *top, const xmlNode *node)
{
    if (node->type == XML_ELEMENT_NODE && node->children) return node->children;
    while (node != top && !node->next) node = node->parent;
    return node == top ? NULL : node->next;
}

const char *shn_xml_text(const shn_xml *doc, const shn_xml_node *node)
{
    xmlNode *top = inner(node);
    if (!top || !top->children) return "";
    if (!top->children->next && is_text(top->children)) return top->children->content ? (const char *)top->children->content : "";
    if (top->_private) return top->_private;
    size_t n = 0;
    for (const xmlNode *at = walk(top, top); at; at = walk(top, at))
        if (is_text(at) && at->content) n += strlen((const char *)at->content);
    joined *text = shn_alloc(sizeof *text + n + 1, 1);
    if (!text) return NULL;
    n = 0;
    for (const xmlNode *at = walk(top, top); at; at = walk(top, at))
        if (is_text(at) && at->content) {
            const size_t len = strlen((const char *)at->content);
            memcpy(text->text + n, at->content, len);
            n += len;
        }
    text->next = doc->pool->texts;
    doc->pool->texts = text;
    top->_private = text->text;
    return text->text;
}

static xmlAttr *attribute(const shn_xml_node *node, const char *name)
{
    for (xmlAttr *a = node ? inner(node)->properties : NULL; a; a = a->next)
        if (strcmp(local(a->name), name) == 0) return a;
    return NULL;
}

const char *shn_xml_attribute(const shn_xml_node *node, const char *name)
{
    const xmlAttr *a = attribute(node, name);
    if (!a) return NULL;
    return a->children && a->children->content ? (const char *)a->children->content : "";     /* without entities one text node at most */
}

const char *shn_xml_attribute_name(const shn_xml_node *node, size_t i)
{
    const xmlAttr *a = node ? inner(node)->properties : NULL;
    for (; a && i; i--) a = a->next;
    return a ? local(a->name) : NULL;
}

/* ---- rewriting ---- */

/** Takes a node out of the tree; it is freed with the document, since callers may still hold its text. */
static void retire(const shn_xml *doc, xmlNodePtr node)
{
    for (xmlNodePtr up = node->parent; up && up->type == XML_ELEMENT_NODE; up = up->parent) up->_private = NULL;
    xmlUnlinkNode(node);
    node->next = doc->pool->removed;
    doc->pool->removed = node;
}

shn_status shn_xml_set_text(shn_xml *doc, const shn_xml_node *node, const char *text, shn_error *err)
{
    xmlNode *n = inner(node);
    for (xmlNodePtr up = n; up && up->type == XML_ELEMENT_NODE; up = up->parent) up->_private = NULL;
    while (n->children) retire(doc, n->children);
    if (!*text) return SHN_OK;
    xmlNodePtr child = xmlNewDocText(doc->doc, (const xmlChar *)text);
    if (!child) return shn_fail_nomem(err, "xml.set_text");
    if (!xmlAddChild(n, child)) {
        xmlFreeNode(child);
        return shn_fail_nomem(err, "xml.set_text");
    }
    return SHN_OK;
}

shn_status shn_xml_set_attribute(shn_xml *doc, const shn_xml_node *node, const char *name, const char *value, shn_error *err)
{
    xmlAttr *a = attribute(node, name);
    (void)doc;
    if (!value) {
        if (a) xmlRemoveProp(a);
        return SHN_OK;
    }
    if (!xmlSetNsProp(inner(node), a ? a->ns : NULL, a ? a->name : (const xmlChar *)name, (const xmlChar *)value))
        return shn_fail_nomem(err, "xml.set_attribute");
    return SHN_OK;
}

void shn_xml_remove(shn_xml *doc, const shn_xml_node *node)
{
    if (node) retire(doc, inner(node));
}

int shn_xml_remove_own_text(shn_xml *doc, const shn_xml_node *node)
{
    int any = 0;
    for (xmlNode *at = inner(node)->children, *next; at; at = next) {
        next = at->next;
        if (!is_text(at) || !at->content || xmlIsBlankNode(at)) continue;
        retire(doc, at);
        any = 1;
    }
    return any;
}

void shn_xml_remove_comments(shn_xml *doc)
{
    for (xmlNode *top = doc->doc->children, *after; top; top = after) {
        after = top->next;
        for (const xmlNode *at = walk(top, top), *next; top->type == XML_ELEMENT_NODE && at; at = next) {
            next = walk(top, at);
            if (at->type == XML_COMMENT_NODE || at->type == XML_PI_NODE) retire(doc, (xmlNode *)(uintptr_t)at);
        }
        if (top->type == XML_COMMENT_NODE || top->type == XML_PI_NODE) retire(doc, top);
    }
}

shn_status shn_xml_write(const shn_xml *doc, shn_bytes *out, shn_error *err)
{
    xmlChar *text = NULL;
    int      n = 0;
    xmlDocDumpMemoryEnc(doc->doc, &text, &n, "UTF-8");
    if (!text || n <= 0) {
        xmlFree(text);
        return shn_fail_nomem(err, "xml.write");
    }
    const shn_status st = shn_bytes_add(out, text, (size_t)n, err);
    xmlFree(text);
    return st;
}
