/**
 * XML documents of ECG machines: a read-only tree by local names (namespaces are ignored), with text and attributes. libxml2 parses; network,
 * external entities and entity expansion are off, a DOCTYPE with declarations is refused. Not a file format: the readers of MUSE, Sierra,
 * aECG and CardioSoft share it.
 */
#ifndef SHN_FORMATS_XML_XML_H
#define SHN_FORMATS_XML_XML_H

#include <stddef.h>
#include <stdint.h>

#include "formats/deidentify.h"

#define SHN_XML_BYTES_MAX ((size_t)256 << 20)
#define SHN_XML_DEPTH_MAX 128
#define SHN_XML_NODES_MAX ((size_t)4 << 20)     /* elements, attributes, comments: some 150 bytes of memory each */

typedef struct shn_xml shn_xml;
typedef struct shn_xml_node shn_xml_node;       /* borrowed from its document */

/**
 * Parses. A stray '&' or '<' inside text, as some machines write it, is taken as the character itself (*mended counts them; may be NULL).
 * Encodings as declared (UTF-8, UTF-16, ISO 8859-x, Shift_JIS); text comes out as UTF-8.
 * @param where  what errors name, "muse_xml"
 * Errors  SHN_FORMAT (bad_header, with line and libxml2's words; truncated where the document ends early), SHN_RANGE (limit), SHN_NOMEM
 */
SHN_NODISCARD shn_status shn_xml_parse(const uint8_t *bytes, size_t n_bytes, const char *where, shn_xml **out, size_t *mended, shn_error *err);
void shn_xml_free(shn_xml *doc);                /* accepts NULL */

/**
 * For detection: the local name of the root element, without parsing the document: skips byte order mark, declaration, comments, processing
 * instructions and DOCTYPE in the first 64 KiB. Also of UTF-16. 1 if it equals name.
 */
int shn_xml_root_is(const uint8_t *bytes, size_t n_bytes, const char *name);

const shn_xml_node *shn_xml_root(const shn_xml *doc);
const char *shn_xml_name(const shn_xml_node *node);                                     /* local name */
unsigned    shn_xml_line(const shn_xml_node *node);
/** First child element with this local name (NULL: any), next sibling element likewise; NULL if none or node is NULL. */
const shn_xml_node *shn_xml_child(const shn_xml_node *node, const char *name);
const shn_xml_node *shn_xml_next(const shn_xml_node *node, const char *name);
/** Follows first children along "a/b/c"; NULL if one is missing or node is NULL. */
const shn_xml_node *shn_xml_find(const shn_xml_node *node, const char *path);
/** Next node in document order below `within` after `at` (NULL: the first) with this local name; NULL at the end. */
const shn_xml_node *shn_xml_descend(const shn_xml_node *within, const shn_xml_node *at, const char *name);
/** Text of the element and what is below it, borrowed until the document is freed; "" where node is NULL or has none. NULL: out of memory. */
const char *shn_xml_text(const shn_xml *doc, const shn_xml_node *node);
/** Attribute by local name, borrowed until it is set; NULL if absent or node is NULL. */
const char *shn_xml_attribute(const shn_xml_node *node, const char *name);
/** Local name of attribute i of the element, NULL behind the last; namespace declarations do not count. */
const char *shn_xml_attribute_name(const shn_xml_node *node, size_t i);
/** Text without spaces around it into out (cut at size, at a whole UTF-8 character). 1 if there was any. */
int shn_xml_copy(const shn_xml *doc, const shn_xml_node *node, char *out, size_t size);
/** A number that fills the text but for spaces around; NaN otherwise. Point or comma as decimal sign. */
double shn_xml_number(const char *text);

/** 1 if the name is in the list of n, exactly. */
int shn_xml_is_one_of(const char *name, const char *const *list, size_t n);
#define SHN_XML_IS_ONE_OF(name, list) shn_xml_is_one_of(name, list, sizeof(list) / sizeof *(list))      /* of an array */

/** Base64 with white space; *out is owned by the caller (free). Errors  SHN_FORMAT with the place of a foreign character, SHN_NOMEM */
SHN_NODISCARD shn_status shn_base64_decode(const char *text, size_t n, const char *where, uint8_t **out, size_t *n_out, shn_error *err);

/* Rewriting, for deidentify: change the tree, then write it. Text borrowed before stays valid, as the old text. */
SHN_NODISCARD shn_status shn_xml_set_text(shn_xml *doc, const shn_xml_node *node, const char *text, shn_error *err);
/** value NULL: the attribute is removed. */
SHN_NODISCARD shn_status shn_xml_set_attribute(shn_xml *doc, const shn_xml_node *node, const char *name, const char *value, shn_error *err);
void shn_xml_remove(shn_xml *doc, const shn_xml_node *node);    /* the node and what is below it are gone */
/** Text that stands directly in the element, beside its children; spaces stay. 1 if there was any. */
int  shn_xml_remove_own_text(shn_xml *doc, const shn_xml_node *node);
void shn_xml_remove_comments(shn_xml *doc);                     /* and processing instructions; wherever they stand */
/** The document as bytes in UTF-8, appended to out. */
SHN_NODISCARD shn_status shn_xml_write(const shn_xml *doc, shn_bytes *out, shn_error *err);

#endif
