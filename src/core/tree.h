/*
 * src/core/tree.h
 *
 * A JSON text as a tree whose objects have their members in canonical order.
 * Nodes lie in one array and refer to each other by index, so that neither
 * building nor walking recurses; node 0 is the root.
 */
#ifndef AUDIT_LOG_TREE_H
#define AUDIT_LOG_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "json.h"
#include "status.h"

#define AL_TREE_NONE UINT32_MAX

typedef enum AlTreeOrder
{
	AL_TREE_BYTES,				/* of bytes; of duplicates the last wins */
	AL_TREE_UTF16				/* of UTF-16 code units; no duplicates */
} AlTreeOrder;

typedef struct AlTreeNode
{
	uint32_t	start;			/* offset of the value's first byte */
	uint32_t	len;			/* bytes of a scalar's text */
	uint32_t	child;			/* a container's first, or AL_TREE_NONE */
	uint32_t	next;			/* sibling, or AL_TREE_NONE */
	uint32_t	parent;			/* AL_TREE_NONE for the root */
	uint32_t	key;			/* offset, for al_tree_key() */
	uint32_t	key_len;
	unsigned char kind;			/* AlJsonKind of the token that begins it */
	bool		escaped;		/* as in AlJsonToken */
	bool		key_decoded;	/* the key is in tree->keys */
} AlTreeNode;

typedef struct AlTree
{
	const char *json;			/* the caller's, needed as long as the tree */
	AlTreeOrder order;
	AlBuf		keys;			/* those keys that had to be decoded */
	AlTreeNode *nodes;
	size_t		count;
	size_t		cap;
} AlTree;

/* A tree must be freed, also one whose building failed. */
extern AlStatus al_tree_build(AlTree *tree, AlTreeOrder order,
							  const char *json, size_t len, AlError *err);
extern void al_tree_free(AlTree *tree);
extern int	al_tree_compare_utf16(const char *a, size_t a_len,
								  const char *b, size_t b_len);

static inline bool
al_tree_is_container(const AlTreeNode *node)
{
	return node->kind == AL_JSON_OBJECT_START ||
		node->kind == AL_JSON_ARRAY_START;
}

/* The decoded key of an object's member, node->key_len bytes. */
static inline const char *
al_tree_key(const AlTree *tree, const AlTreeNode *node)
{
	const char *base = node->key_decoded ? tree->keys.data : tree->json;

	return base == NULL ? "" : base + node->key;
}

/* The token that a scalar was read from. */
static inline void
al_tree_token(const AlTreeNode *node, AlJsonToken *token)
{
	token->start = node->start;
	token->end = (size_t) node->start + node->len;
	token->kind = (AlJsonKind) node->kind;
	token->escaped = node->escaped;
	token->integer = false;
}

#endif							/* AUDIT_LOG_TREE_H */
