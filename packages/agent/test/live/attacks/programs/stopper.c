/* Stops every process that it may signal, without end. */
#include <signal.h>
#include <unistd.h>
int main(void) {
  for (int n = 0; n < 3; n++) if (fork() == 0) break;
  for (;;) kill(-1, SIGSTOP);
}
