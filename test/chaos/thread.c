/* Its main thread ends and another goes on writing: the kernel calls the process a zombie, and it works. */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static void *work(void *file) {
  for (;;) {
    FILE *out = fopen(file, "a");
    if (out != NULL) {
      fputs("works\n", out);
      fclose(out);
    }
    usleep(100000);
  }
}

int main(int argc, char **argv) {
  pthread_t thread;
  if (argc < 2 || pthread_create(&thread, NULL, work, argv[1]) != 0) return 1;
  pthread_exit(NULL);
}
