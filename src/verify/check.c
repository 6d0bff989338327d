/*
 * src/verify/check.c
 *
 * The whole verification.
 *
 * The leaves of a source are hashed into a tree from nothing, and each block
 * must have the root that the tree has at its size.  So one pass over leaves
 * and blocks, side by side, settles roots, the order of leaves and every
 * checkpoint; memory does not grow with the ledger.
 *
 * Findings have the kinds of audit.verify_ledger(), see
 * src/backend/findings.h.  What is shared with the server is src/core, the
 * arithmetic of hashes and signatures; what is compared is computed here from
 * the records.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"
#include "nodes.h"
#include "presence.h"
#include "records.h"

/* What two clocks may differ by, in microseconds. */
#define CLOCK_SLACK INT64_C(300000000)

typedef struct Check
{
	AlSource   *source;
	AlReport   *report;
	AlNotes    *notes;
	AlError    *err;
	AlSha256   *sha;
	AlRecords	records;
	AlPresence *presence;		/* NULL: the source does not know */
	AlNodes    *nodes;

	AlEntryReader reader;
	AlEntry		entry;			/* the next leaf, if there is one */
	bool		has_entry;

	AlFrontier	frontier;
	bool		sound;			/* frontier is the tree of all leaves so far */
	bool		other_root;		/* than the block before */
	uint64_t	blocks;
	uint64_t	missing;		/* leaves that nobody gave */

	/* The record before in the same block, in the order of transactions. */
	bool		has_previous;
	uint64_t	previous_txid;
	char		previous_id[AL_ENTRY_ID_LEN + 1];
} Check;

static AlStatus
load_entry(Check *c)
{
	const char *line;
	size_t		len;
	AlError		reason = {{0}};
	AlStatus	status = c->source->next_leaf(c->source, &line, &len, c->err);

	c->has_entry = status == AL_OK && line != NULL;
	if (!c->has_entry)
		return status;
	status = al_entry_read(&c->reader, line, len, &c->entry, &reason);
	if (status != AL_OK)
		return al_status_fail(c->err, status,
							  "an exported leaf cannot be read: %s; it begins with \"%.*s\"",
							  reason.reason, (int) (len < 60 ? len : 60),
							  line);
	return AL_OK;
}

/* ------------------------------------------------------------------ leaves */

/* Leaves come in the order of transactions, each in the block that saw it. */
static void
check_order(Check *c, const AlBlock *previous, const AlBlock *block)
{
	const AlEntry *entry = &c->entry;
	bool		early = previous->number > 0 &&
		al_block_sees(previous, entry->txid);

	if (early || !al_block_sees(block, entry->txid))
		al_report_finding(c->report, "moved", (int64_t) entry->leaf, entry->id,
						  "its transaction belongs to another block");
	else if (c->has_previous && (entry->txid < c->previous_txid ||
								 (entry->txid == c->previous_txid &&
								  strcmp(entry->id, c->previous_id) <= 0)))
		al_report_finding(c->report, "moved", (int64_t) entry->leaf, entry->id,
						  "the leaf is not in the order of transactions");
	c->has_previous = true;
	c->previous_txid = entry->txid;
	memcpy(c->previous_id, entry->id, sizeof(c->previous_id));
}

static AlStatus
append(Check *c)
{
	AlHash		hash;
	AlStatus	status;

	if (!c->sound)
		return AL_OK;
	status = al_entry_leaf_hash(c->sha, &c->entry, &hash);
	if (status == AL_OK)
		status = al_merkle_append(c->sha, &c->frontier, &hash, al_nodes_add,
								  c->nodes);
	return status == AL_OK ? al_notes_grown(c->notes, c->sha, &c->frontier)
		: status;
}

static bool
is_first_of_generation(const AlBlock *previous, const AlBlock *block,
					   uint64_t leaf)
{
	return block->generation > 1 &&
		block->generation != previous->generation && leaf == previous->size;
}

static AlStatus
check_leaf(Check *c, const AlBlock *previous, const AlBlock *block)
{
	AlStatus	status = al_records_check(&c->records, &c->entry, c->err);

	if (status != AL_OK)
		return status;
	if (is_first_of_generation(previous, block, c->entry.leaf))
	{
		/* That record comes before its turn. */
		if (c->records.generation != block->generation)
			al_report_finding(c->report, "generation", (int64_t) c->entry.leaf,
							  NULL,
							  "generation %" PRId64 " does not begin with its record",
							  block->generation);
	}
	else if (c->entry.present && c->entry.consistent &&
			 (previous->number == 0 ||
			  strcmp(previous->system_identifier.data,
					 block->system_identifier.data) == 0))
		check_order(c, previous, block);
	if (c->presence)
		al_presence_leaf(c->presence, &c->entry);
	status = append(c);
	al_report_progress(c->report, "leaves", c->entry.leaf + 1,
					   c->source->total);
	return status == AL_OK ? load_entry(c) : status;
}

/* Takes the leaves of a block; what is missing is one finding. */
static AlStatus
check_leaves(Check *c, const AlBlock *previous, const AlBlock *block)
{
	uint64_t	next = previous->size;
	uint64_t	found;
	bool		gap = false;
	AlStatus	status = AL_OK;

	c->has_previous = false;
	while (status == AL_OK && next < block->size)
	{
		if (c->has_entry && c->entry.leaf < next)
		{
			al_report_finding(c->report, "bundle", (int64_t) c->entry.leaf,
							  c->entry.id, "the leaf comes twice");
			status = load_entry(c);
			continue;
		}
		if (!c->has_entry || c->entry.leaf > next)
		{
			if (!gap)
				al_report_finding(c->report, "bundle", (int64_t) next, NULL,
								  "leaves are missing");
			gap = true;
			c->sound = false;
			found = c->has_entry && c->entry.leaf < block->size ? c->entry.leaf
				: block->size;
			c->missing += found - next;
			next = found;
			continue;
		}
		status = check_leaf(c, previous, block);
		next++;
	}
	return status;
}

/* ------------------------------------------------------------------ blocks */

static void
check_sequence(Check *c, const AlBlock *previous, const AlBlock *block)
{
	if (block->number != previous->number + 1)
		al_report_finding(c->report, "block", (int64_t) block->first_leaf,
						  NULL, "block %" PRId64 " comes after block %" PRId64,
						  block->number, previous->number);
	if (block->first_leaf != previous->size)
		al_report_finding(c->report, "block", (int64_t) block->first_leaf,
						  NULL,
						  "block %" PRId64 " starts with leaf %" PRIu64
						  " instead of %" PRIu64,
						  block->number, block->first_leaf, previous->size);
	if (block->size < previous->size ||
		block->generation < previous->generation ||
		(previous->number > 0 &&
		 strcmp(block->system_identifier.data,
				previous->system_identifier.data) == 0 &&
		 block->txids.xmax < previous->txids.xmax))
		al_report_finding(c->report, "block", (int64_t) block->first_leaf,
						  NULL,
						  "block %" PRId64 " does not continue the one before",
						  block->number);
}

static AlStatus
check_root(Check *c, const AlBlock *block)
{
	AlHash		root;
	AlStatus	status;

	if (!c->sound)
		return AL_OK;
	status = al_merkle_root(c->sha, &c->frontier, &root);
	if (status != AL_OK)
		return status;
	/* Where leaves were changed every root from there on differs. */
	if (memcmp(&root, &block->root, sizeof(root)) == 0)
		c->other_root = false;
	else if (!c->other_root)
	{
		c->other_root = true;
		al_report_finding(c->report, "root", (int64_t) block->size, NULL,
						  "block %" PRId64
						  " does not have the root of its leaves",
						  block->number);
	}
	return AL_OK;
}

/* Where the ledger moved to another cluster, ids tell what was before. */
static void
note_move(Check *c, const AlBlock *previous, const AlBlock *block)
{
	struct tm	parts = {0};
	const char *rest;

	if (c->presence == NULL || previous->number == 0 ||
		strcmp(previous->system_identifier.data,
			   block->system_identifier.data) == 0)
		return;
	c->presence->moved_at = INT64_MAX;
	rest = strptime(block->sealed_at.data, "%Y-%m-%dT%H:%M:%S", &parts);
	if (rest != NULL && *rest == '.')
		c->presence->moved_at =
			(int64_t) timegm(&parts) * 1000000 + atol(rest + 1);
}

static AlStatus
check_block(Check *c, const AlBlock *previous, const AlBlock *block)
{
	AlStatus	status;

	c->blocks++;
	check_sequence(c, previous, block);
	note_move(c, previous, block);
	status = check_leaves(c, previous, block);
	if (status == AL_OK)
		status = check_root(c, block);
	if (status == AL_OK)
		status = al_notes_block(c->notes, block, c->err);
	return status;
}

/* Goes through the blocks; *last is the last one. */
static AlStatus
check_blocks(Check *c, AlBlock **last, AlBlock **other)
{
	const char *line;
	size_t		len;
	AlError		reason = {{0}};
	AlStatus	status;

	for (;;)
	{
		AlBlock    *block = *other;

		status = c->source->next_block(c->source, &line, &len, c->err);
		if (status != AL_OK || line == NULL)
			return status;
		status = al_block_read(line, len, block, &reason);
		if (status != AL_OK)
			return al_status_fail(c->err, status,
								  "an exported block cannot be read: %s",
								  reason.reason);
		status = check_block(c, *last, block);
		if (status != AL_OK)
			return status;
		*other = *last;
		*last = block;
	}
}

static AlStatus
check_end(Check *c, const AlBlock *last)
{
	AlStatus	status;

	if (c->has_entry)
		al_report_finding(c->report, "bundle", (int64_t) c->entry.leaf, NULL,
						  "there are leaves behind the last block");
	while (c->has_entry)
	{
		status = load_entry(c);
		if (status != AL_OK)
			return status;
	}
	status = al_records_finish(&c->records, c->source, c->err);
	if (status == AL_OK && c->sound)
		status = al_nodes_finish(c->nodes);
	if (status == AL_OK && c->presence && last->number > 0)
		status = al_presence_check(c->presence, c->source, last, c->missing,
								   c->report, c->err);
	if (status == AL_OK)
		status = al_notes_finish(c->notes, last->size, c->err);
	return status;
}

static void
say_result(const Check *c, const AlBlock *last)
{
	al_report_say(c->report,
				  "%" PRIu64 " leaves in %" PRIu64 " blocks: %" PRIu64
				  " records, %" PRIu64 " expired, %" PRIu64 " erased; %" PRIu64
				  " signed checkpoints, %" PRIu64 " record signatures verified%s",
				  last->size, c->blocks, c->records.present,
				  c->records.expired, c->records.erased,
				  c->notes->signed_notes, c->records.signatures,
				  c->report->findings == 0 ? "; no findings" : "");
	if (c->notes->own_signed && c->notes->before_signed > 0)
		al_report_say(c->report,
					  "checkpoints of the first %" PRIu64
					  " blocks are not signed by a key that is trusted; later ones cover them",
					  c->notes->before_signed);
	al_stamps_say(&c->notes->stamps);
	if (c->presence && c->presence->waiting > 0)
		al_report_say(c->report, "%" PRIu64 " records wait to be sealed",
					  c->presence->waiting);
	if (c->report->findings > 0)
		al_report_say(c->report, "%" PRIu64 " findings", c->report->findings);
}

static AlStatus
run(Check *c)
{
	AlBlock		blocks[2] = {{0}};
	AlBlock    *last = &blocks[0];
	AlBlock    *other = &blocks[1];
	AlStatus	status = al_notes_begin(c->notes, c->sha);

	if (status == AL_OK)
		status = load_entry(c);
	if (status == AL_OK)
		status = check_blocks(c, &last, &other);
	if (status == AL_OK)
		status = check_end(c, last);
	if (status == AL_OK)
		say_result(c, last);
	al_block_free(&blocks[0]);
	al_block_free(&blocks[1]);
	return status;
}

static AlStatus
prepare(Check *c)
{
	int64_t		now = (int64_t) time(NULL) * 1000000;
	int64_t		apart = llabs(c->source->now - now);

	c->records.now = now + CLOCK_SLACK;
	if (c->source->now != 0 && apart > CLOCK_SLACK)
		return al_status_fail(c->err, AL_FAILED,
							  "the clocks of the server and of this machine differ by %lld s, so expiry cannot be judged",
							  (long long) (apart / 1000000));
	c->nodes = calloc(1, sizeof(AlNodes));
	if (c->source->stored_next)
		c->presence = calloc(1, sizeof(AlPresence));
	if (c->nodes == NULL || (c->source->stored_next && c->presence == NULL))
		return al_status_fail(c->err, AL_NO_MEMORY, "out of memory");
	c->nodes->source = c->source;
	c->nodes->report = c->report;
	c->nodes->err = c->err;
	if (c->presence)
	{
		/* Those that expire while this runs may be on one side only. */
		c->presence->from = now + 2 * CLOCK_SLACK;
		c->presence->moved_at = INT64_MIN;
	}
	return al_crypto_sha256_new(&c->sha, c->err);
}

AlStatus
al_check(AlSource *source, AlTrust *trust, AlNotes *notes, AlReport *report,
		 AlError *err)
{
	Check	   *c = calloc(1, sizeof(Check));
	AlStatus	status;

	if (c == NULL)
		return al_status_fail(err, AL_NO_MEMORY, "out of memory");
	c->source = source;
	c->report = report;
	c->notes = notes;
	c->err = err;
	c->sound = true;
	c->records.report = report;
	c->records.trust = trust;
	c->records.notes = notes;
	status = prepare(c);
	c->reader.sha = c->sha;
	if (status == AL_OK)
		status = run(c);
	al_records_free(&c->records);
	al_entry_free(&c->reader);
	al_crypto_sha256_free(c->sha);
	free(c->presence);
	free(c->nodes);
	free(c);
	return status;
}
