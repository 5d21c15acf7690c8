/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An order service that hangs, for `make demo`: transfer() and audit() lock the same two accounts
 * in opposite order and wait for each other for ever, reprice() keeps one core busy over about
 * 200 MiB of orders, and main() waits for the transfer to end.  It says so in one line once it
 * hangs, ends with the process that started it, and after ten minutes in any case.
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

enum {
    ORDERS = 1640000,
    LIFETIME_S = 600,
};

typedef struct {
    uint64_t number;
    uint64_t price;
    char customer[112];
} Order;

typedef struct {
    pthread_mutex_t lock;
    const char *owner;
    int64_t balance;
} Account;

static Account savings = {PTHREAD_MUTEX_INITIALIZER, "savings", 5000};
static Account trading = {PTHREAD_MUTEX_INITIALIZER, "trading", 12000};
static pthread_barrier_t both_hold_one;
static Order *book;

static void lock_account(Account *account)
{
    if (pthread_mutex_lock(&account->lock) != 0)
        abort();
}

static void transfer(Account *from, Account *to, int64_t amount)
{
    lock_account(from);
    pthread_barrier_wait(&both_hold_one);
    lock_account(to);
    from->balance -= amount;
    to->balance += amount;
    pthread_mutex_unlock(&to->lock);
    pthread_mutex_unlock(&from->lock);
}

static int64_t audit(Account *first, Account *second)
{
    lock_account(first);
    pthread_barrier_wait(&both_hold_one);
    lock_account(second);
    int64_t total = first->balance + second->balance;
    pthread_mutex_unlock(&second->lock);
    pthread_mutex_unlock(&first->lock);
    return total;
}

static void settle_order(const Order *order)
{
    transfer(&savings, &trading, (int64_t)order->price);
}

static void *transfer_thread(void *unused)
{
    (void)unused;
    settle_order(&book[42]);
    return NULL;
}

static void *audit_thread(void *unused)
{
    (void)unused;
    printf("total: %lld\n", (long long)audit(&trading, &savings));
    return NULL;
}

static void reprice(Order *orders, size_t count)
{
    for (size_t i = 0; i < count; i++)
        orders[i].price = orders[i].price * 1103515245 % 100003 + 1;
}

static void *reprice_thread(void *unused)
{
    (void)unused;
    for (;;)
        reprice(book, ORDERS);
    return NULL;
}

static void fill_book(void)
{
    book = calloc(ORDERS, sizeof *book);
    if (book == NULL)
        abort();
    for (size_t i = 0; i < ORDERS; i++) {
        book[i].number = i;
        book[i].price = i % 977 + 1;
        snprintf(book[i].customer, sizeof book[i].customer, "customer %zu of order %zu", i % 9973,
                 i);
    }
}

static pthread_t start(const char *name, void *(*run)(void *))
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, NULL) != 0)
        abort();
    pthread_setname_np(thread, name);
    return thread;
}

int main(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(LIFETIME_S);
    fill_book();
    pthread_barrier_init(&both_hold_one, NULL, 3);
    pthread_t busy = start("reprice", reprice_thread);
    pthread_t first = start("transfer", transfer_thread);
    pthread_t second = start("audit", audit_thread);
    pthread_barrier_wait(&both_hold_one);
    usleep(100000); /* both run into the other's lock */
    printf("order service, process %d: %zu MiB of orders, and it hangs\n", (int)getpid(),
           ORDERS * sizeof *book >> 20);
    fflush(stdout);
    pthread_join(first, NULL);
    pthread_join(second, NULL);
    pthread_join(busy, NULL);
    return 0;
}
