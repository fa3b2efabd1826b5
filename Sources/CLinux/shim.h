#pragma once
// Linux calls that glibc declares only to those who ask for GNU extensions, which Swift's Glibc module does not.

int renameat2(int old_folder, const char *old_path, int new_folder, const char *new_path, unsigned int flags);

enum { renameat2_exchange = 2 };

// The processors that a thread may be scheduled on, one bit each, and the one that the calling thread is on. Thread 0
// is the calling one.
int sched_getaffinity(int thread, unsigned long byte_count, void *processors);
int sched_setaffinity(int thread, unsigned long byte_count, const void *processors);
int sched_getcpu(void);
