/*
 * test/bench/digest.c
 *
 * Prints the nanoseconds of processor time that SHA-256 of 300 bytes takes,
 * with a digest that was fetched once and a context that is used again.
 */
#include <stdio.h>
#include <time.h>

#include <openssl/evp.h>

#define TIMES 1000000

int
main(void)
{
	static const unsigned char data[300];
	unsigned char digest[EVP_MAX_MD_SIZE];
	EVP_MD	   *md = EVP_MD_fetch(NULL, "SHA256", NULL);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	struct timespec start;
	struct timespec end;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
	for (int i = 0; i < TIMES; i++)
		if (!EVP_DigestInit_ex2(ctx, md, NULL) ||
			!EVP_DigestUpdate(ctx, data, sizeof(data)) ||
			!EVP_DigestFinal_ex(ctx, digest, NULL))
			return 1;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	printf("%.1f\n", ((double) (end.tv_sec - start.tv_sec) * 1e9 +
					  (double) (end.tv_nsec - start.tv_nsec)) / TIMES);
	return 0;
}
