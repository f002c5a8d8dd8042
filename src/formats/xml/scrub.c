#include "formats/xml/scrub.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/fail.h"
#include "formats/xml/dates.h"

enum { PATH_MAX_BYTES = 512 };

static int blank(const char *text)
{
    while (text && isspace((unsigned char)*text)) text++;
    return !text || !*text;
}

static const shn_scrub_rule *rule_for(const shn_scrubber *s, const char *path)
{
    for (size_t i = 0; i < s->n_rules; i++)
        if (strcasecmp(s->rules[i].path, path) == 0) return &s->rules[i];
    return NULL;
}

/** 1 if the element or what is below it says anything, in text or in attributes; -1 without memory. */
static int says_anything(const shn_xml *doc, const shn_xml_node *node)
{
    const char *text = shn_xml_text(doc, node);
    if (!text) return -1;
    int says = !blank(text) || shn_xml_attribute_name(node, 0);
    for (const shn_xml_node *at = NULL; !says && (at = shn_xml_descend(node, at, NULL));) says = shn_xml_attribute_name(at, 0) != NULL;
    return says;
}

shn_status shn_scrub_remove(const shn_scrubber *s, const shn_xml_node *node, const char *path, const char *what, shn_error *err)
{
    const int says = says_anything(s->doc, node);
    if (says < 0) return shn_fail_nomem(err, "xml.scrub");
    const shn_status st = says ? shn_deid_note(s->deid, path, what, "removed", err) : SHN_OK;
    shn_xml_remove(s->doc, node);
    return st;
}

shn_status shn_scrub_set(const shn_scrubber *s, const shn_xml_node *node, const char *path, const char *text, const char *what, const char *done, shn_error *err)
{
    const shn_status st = shn_xml_set_text(s->doc, node, text, err);
    return st == SHN_OK ? shn_deid_note(s->deid, path, what, done, err) : st;
}

/** What an id or a date becomes: new text in out and the audit's word, or NULL where the value must go. */
static const char *replaced(const shn_scrubber *s, shn_scrub action, const char *value, char out[32])
{
    if (action == SHN_SCRUB_ID) {
        shn_deid_id(s->deid, out, 32);
        return "hashed";
    }
    return shn_day_shift(s->deid, value, out, 32, NULL) == SHN_OK ? "shifted" : NULL;
}

static shn_status scrub_attribute(const shn_scrubber *s, const shn_xml_node *node, const char *name, const char *path, int whole_tree, int *stays, shn_error *err)
{
    char place[PATH_MAX_BYTES + 80], anywhere[80], value[32];
    snprintf(place, sizeof place, "%s@%s", path, name);
    snprintf(anywhere, sizeof anywhere, "@%s", name);
    const shn_scrub_rule *rule = rule_for(s, place);
    if (!rule) rule = rule_for(s, anywhere);
    const char     *old = shn_xml_attribute(node, name), *done = NULL;
    const shn_scrub action = rule ? rule->action : whole_tree ? SHN_SCRUB_TEXT : SHN_SCRUB_EMPTY;
    *stays = 1;
    if (blank(old) || action == SHN_SCRUB_TEXT || action == SHN_SCRUB_TREE || (action == SHN_SCRUB_NUMBER && !isnan(shn_xml_number(old)))) return SHN_OK;
    if (action == SHN_SCRUB_ID || action == SHN_SCRUB_DATE) done = replaced(s, action, old, value);
    *stays = done || (rule && action == SHN_SCRUB_EMPTY);
    shn_status st = shn_xml_set_attribute(s->doc, node, name, done ? value : *stays ? "" : NULL, err);
    return st == SHN_OK ? shn_deid_note(s->deid, place, rule ? rule->what : "unknown attribute", done ? done : "removed", err) : st;
}

static shn_status scrub_attributes(const shn_scrubber *s, const shn_xml_node *node, const char *path, int whole_tree, shn_error *err)
{
    const char *name;
    shn_status  st = SHN_OK;
    for (size_t i = 0; st == SHN_OK && (name = shn_xml_attribute_name(node, i));) {
        char copy[64];
        int  stays = 1;
        snprintf(copy, sizeof copy, "%s", name);
        if (strlen(name) >= sizeof copy) return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_LIMIT, "xml.scrub", "%s: an attribute's name of %zu bytes", path, strlen(name));
        st = scrub_attribute(s, node, copy, path, whole_tree, &stays, err);
        i += stays != 0;
    }
    return st;
}

static shn_status scrub_tree(const shn_scrubber *s, const shn_xml_node *node, const char *path, shn_error *err)
{
    shn_status st = scrub_attributes(s, node, path, 1, err);
    for (const shn_xml_node *at = NULL; st == SHN_OK && (at = shn_xml_descend(node, at, NULL));) st = scrub_attributes(s, at, path, 1, err);
    return st;
}

static shn_status inner_elements(const char *path, shn_error *err)
{
    return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "xml.scrub", "%s has elements inside, which this format does not know; no one can vouch for them", path);
}

shn_status shn_scrub_attributes(const shn_scrubber *s, const shn_xml_node *node, const char *path, shn_error *err) { return scrub_attributes(s, node, path, 0, err); }

shn_status shn_scrub_leaf(const shn_scrubber *s, const shn_xml_node *node, const char *path, shn_error *err)
{
    return shn_xml_child(node, NULL) ? inner_elements(path, err) : scrub_attributes(s, node, path, 0, err);
}

/** Numbers between commas, semicolons and blanks, or yes or no: a date, a telephone number with its strokes or a name is none of these. */
static int only_numbers(const char *text)
{
    static const char *const between = ",; \t\r\n";
    char   item[32];
    size_t n;
    for (text += strspn(text, between); (n = strcspn(text, between)) > 0; text += n, text += strspn(text, between)) {
        if (n >= sizeof item) return 0;
        snprintf(item, sizeof item, "%.*s", (int)n, text);
        if (isnan(shn_xml_number(item)) && strcasecmp(item, "yes") != 0 && strcasecmp(item, "no") != 0) return 0;
    }
    return 1;
}

/** among_numbers: what has no rule of its own stays where it is a number. */
static shn_status scrub_children(const shn_scrubber *s, const shn_xml_node *node, const char *path, int among_numbers, shn_error *err);

static shn_status scrub_numbers(const shn_scrubber *s, const shn_xml_node *node, const char *path, shn_error *err)
{
    const shn_status st = scrub_attributes(s, node, path, 0, err);
    if (st != SHN_OK) return st;
    if (shn_xml_child(node, NULL)) return scrub_children(s, node, path, 1, err);
    const char *text = shn_xml_text(s->doc, node);
    if (!text) return shn_fail_nomem(err, "xml.scrub");
    return only_numbers(text) ? SHN_OK : shn_scrub_set(s, node, path, "", "no number", "removed", err);
}

static shn_status scrub_element(const shn_scrubber *s, const shn_xml_node *node, const char *path, int among_numbers, shn_error *err)
{
    const shn_scrub_rule *rule = rule_for(s, path);
    if (rule ? rule->action == SHN_SCRUB_NUMBERS : among_numbers) return scrub_numbers(s, node, path, err);
    if (!rule) return shn_scrub_remove(s, node, path, "not on the list of what may stay", err);
    if (rule->action == SHN_SCRUB_TREE) return scrub_tree(s, node, path, err);
    shn_status st = scrub_attributes(s, node, path, 0, err);
    if (st != SHN_OK) return st;
    if (rule->action == SHN_SCRUB_ASK) return s->ask(s, node, path, err);
    if (rule->action == SHN_SCRUB_ENTER) return scrub_children(s, node, path, 0, err);
    if (shn_xml_child(node, NULL)) return inner_elements(path, err);
    const char *text = shn_xml_text(s->doc, node), *done = NULL;
    char        value[32];
    if (!text) return shn_fail_nomem(err, "xml.scrub");
    if (blank(text) || rule->action == SHN_SCRUB_TEXT) return SHN_OK;
    if (rule->action == SHN_SCRUB_NUMBER) return isnan(shn_xml_number(text)) ? shn_scrub_set(s, node, path, "", "no number", "removed", err) : SHN_OK;
    if (rule->action == SHN_SCRUB_EMPTY) return shn_scrub_set(s, node, path, "", rule->what, "removed", err);
    done = replaced(s, rule->action, text, value);
    return done ? shn_scrub_set(s, node, path, value, rule->what, done, err) : shn_scrub_remove(s, node, path, rule->what, err);
}

static shn_status scrub_children(const shn_scrubber *s, const shn_xml_node *node, const char *path, int among_numbers, shn_error *err)
{
    char                below[PATH_MAX_BYTES];
    const shn_xml_node *next;
    shn_status          st = shn_xml_remove_own_text(s->doc, node) ? shn_deid_note(s->deid, path, "text beside elements", "removed", err) : SHN_OK;
    for (const shn_xml_node *child = shn_xml_child(node, NULL); st == SHN_OK && child; child = next) {
        next = shn_xml_next(child, NULL);
        if (snprintf(below, sizeof below, "%s%s%s", path, *path ? "/" : "", shn_xml_name(child)) >= (int)sizeof below)
            st = shn_scrub_remove(s, child, path, "unknown content", err);
        else
            st = scrub_element(s, child, below, among_numbers, err);
    }
    return st;
}

shn_status shn_scrub_document(const shn_scrubber *s, shn_error *err)
{
    const shn_xml_node *root = shn_xml_root(s->doc);
    shn_xml_remove_comments(s->doc);
    const shn_status st = scrub_attributes(s, root, "", 0, err);
    return st == SHN_OK ? scrub_children(s, root, "", 0, err) : st;
}
