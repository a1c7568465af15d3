/* Kills every process that it may signal, and is always a new process: it forks before it can be listed. */
#include <signal.h>
#include <unistd.h>
int main(void) {
  signal(SIGCHLD, SIG_IGN);
  for (;;) {
    kill(-1, SIGKILL);
    if (fork() > 0) _exit(0);
  }
}
