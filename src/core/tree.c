/*
 * src/core/tree.c
 *
 * Building the tree of tree.h: one pass over the tokens, which appends nodes
 * in the order of the text and sorts each object's members when it closes.
 * The work is linear but for qsort(), and an object that is in order already
 * is not sorted.
 */
#include <stdlib.h>
#include <string.h>

#include "tree.h"

#define MAX_INPUT ((size_t) INT32_MAX)	/* offsets and indexes fit 32 bits */

/* A container that is being read. */
typedef struct Open
{
	uint32_t	node;
	uint32_t	last;			/* its last child so far */
	uint32_t	count;			/* of its children */
} Open;

/* What sorting needs of a member; keys do not move while it lasts. */
typedef struct Member
{
	const char *key;
	uint32_t	key_len;
	uint32_t	node;
} Member;

typedef struct Builder
{
	AlTree	   *tree;
	Open	   *open;			/* stack */
	size_t		depth;
	size_t		open_cap;
	Member	   *members;		/* of the object that is being sorted */
	size_t		members_cap;
} Builder;

static AlStatus
no_memory(AlError *err)
{
	return al_status_fail(err, AL_NO_MEMORY, "out of memory");
}

/* Makes room for need elements; the array stays as it was on failure. */
static bool
grow(void **array, size_t *cap, size_t need, size_t size)
{
	size_t		more = *cap ? *cap : 64;
	void	   *bigger;

	if (need <= *cap)
		return true;
	while (more < need)
		more *= 2;
	if (more > SIZE_MAX / size)
		return false;
	bigger = realloc(*array, more * size);
	if (bigger == NULL)
		return false;
	*array = bigger;
	*cap = more;
	return true;
}

static int
compare_bytes(const char *a, size_t a_len, const char *b, size_t b_len)
{
	int			diff = memcmp(a, b, a_len < b_len ? a_len : b_len);

	return diff != 0 ? diff : (a_len > b_len) - (a_len < b_len);
}

/*
 * Order of UTF-16 code units, told from UTF-8.  It is the order of bytes but
 * for what follows the surrogates' range: U+E000 to U+FFFF, which start with
 * 0xEE and 0xEF, come after the characters of four bytes.
 */
int
al_tree_compare_utf16(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t		len = a_len < b_len ? a_len : b_len;
	size_t		i = 0;
	int			x;
	int			y;

	while (i < len && a[i] == b[i])
		i++;
	if (i == len)
		return (a_len > b_len) - (a_len < b_len);
	x = (unsigned char) a[i];
	y = (unsigned char) b[i];
	if (x == 0xEE || x == 0xEF)
		x += 0x100;
	if (y == 0xEE || y == 0xEF)
		y += 0x100;
	return x - y;
}

static int
compare_keys(AlTreeOrder order, const Member *a, const Member *b)
{
	if (order == AL_TREE_UTF16)
		return al_tree_compare_utf16(a->key, a->key_len, b->key, b->key_len);
	return compare_bytes(a->key, a->key_len, b->key, b->key_len);
}

/* Equal keys keep the order of the text, so that the last one can win. */
static int
in_bytes_order(const void *a, const void *b)
{
	const Member *x = a;
	const Member *y = b;
	int			diff = compare_keys(AL_TREE_BYTES, x, y);

	return diff != 0 ? diff : (x->node > y->node) - (x->node < y->node);
}

static int
in_utf16_order(const void *a, const void *b)
{
	const Member *x = a;
	const Member *y = b;
	int			diff = compare_keys(AL_TREE_UTF16, x, y);

	return diff != 0 ? diff : (x->node > y->node) - (x->node < y->node);
}

static AlStatus
duplicate_key(const AlTreeNode *node, AlError *err)
{
	return al_status_fail(err, AL_UNSUPPORTED,
						  "duplicate key of the value at byte %lu",
						  (unsigned long) node->start);
}

/* Links the sorted members to each other, without overridden duplicates. */
static AlStatus
link_members(Builder *builder, const Open *open, AlError *err)
{
	AlTree	   *tree = builder->tree;
	const Member *members = builder->members;
	uint32_t   *link = &tree->nodes[open->node].child;
	uint32_t	i;

	for (i = 0; i < open->count; i++)
	{
		if (i + 1 < open->count &&
			compare_keys(tree->order, &members[i], &members[i + 1]) == 0)
		{
			if (tree->order == AL_TREE_UTF16)
				return duplicate_key(&tree->nodes[members[i + 1].node], err);
			continue;
		}
		*link = members[i].node;
		link = &tree->nodes[members[i].node].next;
	}
	*link = AL_TREE_NONE;
	return AL_OK;
}

/* Puts the members of a complete object in order. */
static AlStatus
sort_members(Builder *builder, const Open *open, AlError *err)
{
	AlTree	   *tree = builder->tree;
	uint32_t	at = tree->nodes[open->node].child;
	Member	   *member;
	bool		sorted = true;

	if (open->count < 2)
		return AL_OK;
	if (!grow((void **) &builder->members, &builder->members_cap,
			  open->count, sizeof(Member)))
		return no_memory(err);
	for (member = builder->members; at != AL_TREE_NONE; member++)
	{
		member->key = al_tree_key(tree, &tree->nodes[at]);
		member->key_len = tree->nodes[at].key_len;
		member->node = at;
		if (member > builder->members &&
			compare_keys(tree->order, member - 1, member) >= 0)
			sorted = false;
		at = tree->nodes[at].next;
	}
	if (sorted)
		return AL_OK;
	qsort(builder->members, open->count, sizeof(Member),
		  tree->order == AL_TREE_UTF16 ? in_utf16_order : in_bytes_order);
	return link_members(builder, open, err);
}

/* Notes a key in the node that its value will become. */
static AlStatus
read_key(AlTree *tree, const AlJsonToken *token, AlTreeNode *node,
		 AlError *err)
{
	AlStatus	status;

	node->key_decoded = token->escaped;
	if (!token->escaped)
	{
		node->key = (uint32_t) token->start + 1;
		node->key_len = (uint32_t) (token->end - token->start) - 2;
		return AL_OK;
	}
	node->key = (uint32_t) tree->keys.len;
	status = al_json_decode(tree->json, token, tree->order == AL_TREE_UTF16,
							&tree->keys, err);
	node->key_len = (uint32_t) tree->keys.len - node->key;
	return status;
}

/* Adds a value to the container that is open, and opens it if it is one. */
static AlStatus
add_node(Builder *builder, const AlJsonToken *token, AlTreeNode *node,
		 AlError *err)
{
	AlTree	   *tree = builder->tree;
	uint32_t	at = (uint32_t) tree->count;

	node->start = (uint32_t) token->start;
	node->len = (uint32_t) (token->end - token->start);
	node->child = AL_TREE_NONE;
	node->next = AL_TREE_NONE;
	node->parent = AL_TREE_NONE;
	node->kind = (unsigned char) token->kind;
	node->escaped = token->escaped;
	if (!grow((void **) &tree->nodes, &tree->cap, tree->count + 1,
			  sizeof(AlTreeNode)))
		return no_memory(err);
	if (builder->depth > 0)
	{
		Open	   *open = &builder->open[builder->depth - 1];

		node->parent = open->node;
		if (open->last == AL_TREE_NONE)
			tree->nodes[open->node].child = at;
		else
			tree->nodes[open->last].next = at;
		open->last = at;
		open->count++;
	}
	tree->nodes[tree->count++] = *node;
	if (al_tree_is_container(node))
	{
		if (!grow((void **) &builder->open, &builder->open_cap,
				  builder->depth + 1, sizeof(Open)))
			return no_memory(err);
		builder->open[builder->depth].node = at;
		builder->open[builder->depth].last = AL_TREE_NONE;
		builder->open[builder->depth].count = 0;
		builder->depth++;
	}
	return AL_OK;
}

static AlStatus
read_tokens(Builder *builder, AlJsonReader *reader, AlError *err)
{
	AlJsonToken token;
	AlTreeNode	node = {0};
	AlStatus	status;

	for (;;)
	{
		status = al_json_next(reader, &token, err);
		if (status != AL_OK || token.kind == AL_JSON_END)
			return status;
		switch (token.kind)
		{
			case AL_JSON_KEY:
				status = read_key(builder->tree, &token, &node, err);
				break;
			case AL_JSON_OBJECT_END:
				builder->depth--;
				status = sort_members(builder, &builder->open[builder->depth],
									  err);
				break;
			case AL_JSON_ARRAY_END:
				builder->depth--;
				break;
			default:
				status = add_node(builder, &token, &node, err);
				break;
		}
		if (status != AL_OK)
			return status;
	}
}

/*
 * Builds the tree of a JSON text.  The caller gets to see no member that the
 * order makes an overridden duplicate.  Keys with a lone surrogate are
 * refused, and in bytes order, which is jsonb's reading, also those with a
 * zero character.
 */
AlStatus
al_tree_build(AlTree *tree, AlTreeOrder order, const char *json, size_t len,
			  AlError *err)
{
	Builder		builder = {0};
	AlJsonReader reader;
	AlStatus	status;

	memset(tree, 0, sizeof(*tree));
	tree->json = json;
	tree->order = order;
	if (len > MAX_INPUT)
		return al_status_fail(err, AL_UNSUPPORTED, "JSON longer than 2 GB");
	builder.tree = tree;
	al_json_start(&reader, json, len);
	status = read_tokens(&builder, &reader, err);
	al_json_free(&reader);
	free(builder.open);
	free(builder.members);
	return status;
}

void
al_tree_free(AlTree *tree)
{
	free(tree->nodes);
	al_buf_free(&tree->keys);
}
