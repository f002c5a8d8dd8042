/**
 * De-identification of an XML document by a list of what may stay. Whatever a format's list does not name is removed, so that an element
 * nobody has heard of cannot carry a name out.
 */
#ifndef SHN_FORMATS_XML_SCRUB_H
#define SHN_FORMATS_XML_SCRUB_H

#include "formats/xml/xml.h"

typedef enum shn_scrub {
    SHN_SCRUB_ENTER,        /* the element stays; its children and attributes are looked up, its own text is removed */
    SHN_SCRUB_TEXT,         /* element without children, or attribute: stays */
    SHN_SCRUB_NUMBER,       /* stays if it is a number, else is emptied */
    SHN_SCRUB_NUMBERS,      /* the element and all below it stay; texts that are no list of numbers, yes or no are emptied, but for those with a rule of their own */
    SHN_SCRUB_TREE,         /* the element and all below it stay, attributes too but for those that a rule "@name" changes */
    SHN_SCRUB_ID,           /* becomes the hashed patient id */
    SHN_SCRUB_DATE,         /* is shifted; removed if it is no date */
    SHN_SCRUB_EMPTY,        /* stays without content: the format wants the element */
    SHN_SCRUB_ASK           /* attributes as above, then the format's own function decides */
} shn_scrub;

typedef struct shn_scrub_rule {
    const char *path;       /* "Order/AdmitDate" below the root; "reportinfo@date"; "@date": this attribute of any element that stays */
    shn_scrub   action;
    const char *what;       /* for the audit: "patient id" */
} shn_scrub_rule;

/* Rules that have nothing to tell the audit. */
#define SHN_RULE_ENTER(path)   { path, SHN_SCRUB_ENTER, "" }
#define SHN_RULE_TEXT(path)    { path, SHN_SCRUB_TEXT, "" }
#define SHN_RULE_NUMBER(path)  { path, SHN_SCRUB_NUMBER, "" }
#define SHN_RULE_NUMBERS(path) { path, SHN_SCRUB_NUMBERS, "" }
#define SHN_RULE_TREE(path)    { path, SHN_SCRUB_TREE, "" }
#define SHN_RULE_ASK(path)     { path, SHN_SCRUB_ASK, "" }

typedef struct shn_scrubber {
    shn_xml              *doc;
    shn_deid             *deid;
    const shn_scrub_rule *rules;
    size_t                n_rules;
    /* for SHN_SCRUB_ASK: changes the element itself and notes it (shn_scrub_remove, shn_scrub_set) */
    shn_status (*ask)(const struct shn_scrubber *s, const shn_xml_node *node, const char *path, shn_error *err);
    const void           *context;
} shn_scrubber;

/** Rewrites s->doc by its rules (names are compared without case); comments and processing instructions go too. Errors  SHN_UNSUPPORTED, SHN_NOMEM */
SHN_NODISCARD shn_status shn_scrub_document(const shn_scrubber *s, shn_error *err);
/** Attributes of one element by the rules; for formats whose elements a list of paths cannot name. Errors  SHN_UNSUPPORTED, SHN_NOMEM */
SHN_NODISCARD shn_status shn_scrub_attributes(const shn_scrubber *s, const shn_xml_node *node, const char *path, shn_error *err);
/** One element gone, with a line in the audit if it or what is below it said anything. */
SHN_NODISCARD shn_status shn_scrub_remove(const shn_scrubber *s, const shn_xml_node *node, const char *path, const char *what, shn_error *err);
/** For elements that hold text only: attributes are removed. Errors  SHN_UNSUPPORTED  there are elements inside: nobody can vouch for these */
SHN_NODISCARD shn_status shn_scrub_leaf(const shn_scrubber *s, const shn_xml_node *node, const char *path, shn_error *err);
/** New text, with a line in the audit. */
SHN_NODISCARD shn_status shn_scrub_set(const shn_scrubber *s, const shn_xml_node *node, const char *path, const char *text, const char *what, const char *done, shn_error *err);

#endif
