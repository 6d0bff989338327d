/*
 * src/core/redact_rules.c
 *
 * Compiling and looking up the names of redact_rules.h.  Looking a key up
 * takes the same time for many rules as for one.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "redact_rules.h"

/*
 * Rules make a graph of nodes joined by steps.  Looking a key up from
 * ANYWHERE finds the plain names; from ROOT and from the nodes that a path
 * leads to, the dotted ones.
 */
#define NOWHERE AL_REDACT_NOWHERE
#define ROOT AL_REDACT_ROOT
#define ANYWHERE 2
#define FIRST_NODE 3

#define NO_NAME AL_REDACT_NO_NAME
#define MAX_LIST ((size_t) 1 << 24)

typedef struct Step
{
	uint32_t	from;			/* NOWHERE in a free slot */
	uint32_t	to;
	uint32_t	key;			/* offset of its bytes in the block */
	uint32_t	key_len;
	uint32_t	name;			/* of the rule that ends here, or NO_NAME */
} Step;

typedef struct Name
{
	uint32_t	text;			/* offset in the block, NUL-terminated */
	uint32_t	len;
} Name;

struct AlRedactRules
{
	size_t		size;			/* of the whole block */
	uint64_t	key_lengths;	/* bit min(length, 63): some step has it */
	uint32_t	names;			/* offset of Name[name_count] */
	uint32_t	name_count;
	uint32_t	steps;			/* offset of Step[step_mask + 1], a hash table
								 * with linear probing */
	uint32_t	step_mask;
	uint32_t	nodes;			/* next free node number */
	uint32_t	text;			/* next free byte for names */
};

static const Name *
name_at(const AlRedactRules *rules, uint32_t i)
{
	return (const Name *) ((const char *) rules + rules->names) + i;
}

static Step *
step_table(const AlRedactRules *rules)
{
	return (Step *) ((char *) rules + rules->steps);
}

static uint64_t
length_bit(size_t len)
{
	return (uint64_t) 1 << (len < 63 ? len : 63);
}

static uint32_t
hash_key(const char *key, size_t len)
{
	uint32_t	hash = 2166136261u;
	size_t		i;

	for (i = 0; i < len; i++)
		hash = (hash ^ (unsigned char) key[i]) * 16777619u;
	return hash;
}

/* The slot of a step, or the free one where it would go. */
static Step *
find_slot(const AlRedactRules *rules, uint32_t from, uint32_t hash,
		  const char *key, size_t len)
{
	Step	   *table = step_table(rules);
	uint32_t	i = (hash ^ from * 2654435761u) & rules->step_mask;

	while (table[i].from != NOWHERE &&
		   (table[i].from != from || table[i].key_len != len ||
			memcmp((const char *) rules + table[i].key, key, len) != 0))
		i = (i + 1) & rules->step_mask;
	return &table[i];
}

/*
 * Looks a key up from a node and from ANYWHERE.  Returns the name of the rule
 * that removes it, or NO_NAME and the node for what is below the key.
 */
uint32_t
al_redact_rules_find(const AlRedactRules *rules, uint32_t node,
					 const char *key, size_t len, uint32_t *child)
{
	uint32_t	hash;
	const Step *step;

	*child = NOWHERE;
	if ((rules->key_lengths & length_bit(len)) == 0)
		return NO_NAME;
	hash = hash_key(key, len);
	step = find_slot(rules, ANYWHERE, hash, key, len);
	if (step->from != NOWHERE)
		return step->name;
	if (node == NOWHERE)
		return NO_NAME;
	step = find_slot(rules, node, hash, key, len);
	if (step->from == NOWHERE)
		return NO_NAME;
	*child = step->to;
	return step->name;
}

/* The name of a rule by its number, NUL-terminated; it lives in the rules. */
const char *
al_redact_rules_name(const AlRedactRules *rules, uint32_t name)
{
	return (const char *) rules + name_at(rules, name)->text;
}

size_t
al_redact_rules_count(const AlRedactRules *rules)
{
	return rules->name_count;
}

static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Finds the next item of the list, trimmed; false at its end. */
static bool
next_item(const char **at, const char *end, const char **item, size_t *len)
{
	while (*at < end)
	{
		const char *from = *at;
		const char *to = memchr(from, ',', (size_t) (end - from));

		if (to == NULL)
			to = end;
		*at = to < end ? to + 1 : end;
		while (from < to && is_space(*from))
			from++;
		while (to > from && is_space(to[-1]))
			to--;
		if (from < to)
		{
			*item = from;
			*len = (size_t) (to - from);
			return true;
		}
	}
	return false;
}

static Step *
add_step(AlRedactRules *rules, uint32_t from, const char *key, size_t len)
{
	Step	   *step = find_slot(rules, from, hash_key(key, len), key, len);

	if (step->from == NOWHERE)
	{
		step->from = from;
		step->to = rules->nodes++;
		step->key = (uint32_t) (key - (const char *) rules);
		step->key_len = (uint32_t) len;
		step->name = NO_NAME;
		rules->key_lengths |= length_bit(len);
	}
	return step;
}

/* Adds a name whose text is in the block; false if one step is empty. */
static bool
add_path(AlRedactRules *rules, const char *text, size_t len, uint32_t name)
{
	const char *end = text + len;
	const char *from = text;
	uint32_t	node = ROOT;
	Step	   *step;

	for (;;)
	{
		const char *dot = memchr(from, '.', (size_t) (end - from));
		const char *to = dot ? dot : end;

		if (from == to)
			return false;
		step = add_step(rules, node, from, (size_t) (to - from));
		if (dot == NULL)
			break;
		node = step->to;
		from = dot + 1;
	}
	step->name = name;
	add_step(rules, ROOT, text, len)->name = name;
	return true;
}

/* Adds a name unless it is there; false if it is not a good one. */
static bool
add_name(AlRedactRules *rules, const char *item, size_t len)
{
	bool		dotted = memchr(item, '.', len) != NULL;
	char	   *text = (char *) rules + rules->text;
	Name	   *name = (Name *) name_at(rules, rules->name_count);
	const Step *step = find_slot(rules, dotted ? ROOT : ANYWHERE,
								 hash_key(item, len), item, len);

	if (step->from != NOWHERE)
		return true;
	memcpy(text, item, len);
	name->text = rules->text;
	name->len = (uint32_t) len;
	rules->text += (uint32_t) len + 1;
	if (!dotted)
		add_step(rules, ANYWHERE, text, len)->name = rules->name_count;
	else if (!add_path(rules, text, len, rules->name_count))
		return false;
	rules->name_count++;
	return true;
}

/*
 * Compiles a list of names.  Items are trimmed and empty ones dropped; a name
 * with an empty step, such as "a..b", is AL_INVALID.  The result is freed by
 * al_redact_rules_free().
 */
AlStatus
al_redact_rules_compile(const char *list, size_t len, AlRedactRules **rules,
						AlError *err)
{
	const char *at = list;
	const char *end = list + len;
	const char *item;
	size_t		item_len;
	size_t		names = 0;
	size_t		slots = 4;
	size_t		text = 0;
	size_t		steps = 0;
	size_t		i;
	AlRedactRules *made;

	*rules = NULL;
	if (len > MAX_LIST)
		return al_status_fail(err, AL_UNSUPPORTED, "list longer than 16 MB");
	while (next_item(&at, end, &item, &item_len))
	{
		names++;
		text += item_len + 1;
		steps += 2;
		for (i = 0; i < item_len; i++)
			steps += item[i] == '.';
	}
	while (slots < steps * 2)
		slots *= 2;

	i = sizeof(AlRedactRules) + names * sizeof(Name) + slots * sizeof(Step) +
		text;
	made = calloc(1, i);
	if (made == NULL)
		return al_status_fail(err, AL_NO_MEMORY, "out of memory");
	made->size = i;
	made->names = (uint32_t) sizeof(AlRedactRules);
	made->steps = made->names + (uint32_t) (names * sizeof(Name));
	made->step_mask = (uint32_t) slots - 1;
	made->nodes = FIRST_NODE;
	made->text = made->steps + (uint32_t) (slots * sizeof(Step));

	at = list;
	for (i = 1; next_item(&at, end, &item, &item_len); i++)
	{
		if (!add_name(made, item, item_len))
		{
			free(made);
			return al_status_fail(err, AL_INVALID,
								  "empty step between dots in name %lu "
								  "of the list", (unsigned long) i);
		}
	}
	*rules = made;
	return AL_OK;
}

size_t
al_redact_rules_size(const AlRedactRules *rules)
{
	return rules->size;
}

void
al_redact_rules_free(AlRedactRules *rules)
{
	free(rules);
}

/*
 * The name of the rule that removes a key of the root, such as a column of a
 * row, or NULL.  It lives in the rules.
 */
const char *
al_redact_rules_match(const AlRedactRules *rules, const char *key, size_t len)
{
	uint32_t	child;
	uint32_t	name = al_redact_rules_find(rules, ROOT, key, len, &child);

	return name == NO_NAME ? NULL : al_redact_rules_name(rules, name);
}
