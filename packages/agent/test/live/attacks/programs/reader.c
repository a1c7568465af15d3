/* Prints the effective ids, and the first line of a file. It is what a tenant leaves as a set-user-ID file. */
#include <stdio.h>
#include <unistd.h>
int main(int count, char **words) {
  char line[100] = "";
  FILE *file = count > 1 ? fopen(words[1], "r") : NULL;
  if (file != NULL && fgets(line, sizeof line, file) == NULL) line[0] = 0;
  printf("%d %d %s\n", geteuid(), getegid(), line);
  return 0;
}
