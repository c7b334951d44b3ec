/* The MPMC ring: claim, publish, abandon, receive, release, and the mending of what the dead leave.
 *
 * Memory is sequentially consistent here; the store buffers are in park_wake.pml. One atomic block is one shared access
 * (or one access and the arithmetic on its result). Any process may die before any of its writes: a death between two
 * reads leaves nothing behind, so it is the same as a death before the first of them.
 *
 * No process polls: one that finds nothing to do blocks until a look would find something. So a permanent stall is a
 * state in which nothing moves any more, and the process `judge` examines every such state.
 *
 * Sizes (all may be set with -D):
 *   N slots; P, C producer and consumer seats, taken from the start; NEW_P, NEW_C newcomers that wait for such a seat;
 *   PUSHES messages per producer; BATCH positions per claim; DEATHS, STOPS budgets of kills and of SIGSTOPs.
 *   ABANDON: a producer may give a claim back unfilled. DETACH: a producer leaves its seat when it is finished.
 */
#ifndef N
#define N 2
#endif
#ifndef P
#define P 1
#endif
#ifndef C
#define C 2
#endif
#ifndef NEW_P
#define NEW_P 0
#endif
#ifndef NEW_C
#define NEW_C 0
#endif
#ifndef PUSHES
#define PUSHES 1
#endif
#ifndef BATCH
#define BATCH 1
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef STOPS
#define STOPS 0
#endif
#define SEATS (P + C)

/* ---- Shared bytes ------------------------------------------------------------------------------------------------- */

/* A slot's word: the sequence it stands at, and a kind. An adopted slot names the dead seat, and then the adopter's. */
byte word[N];
#define slot(q)     word[(q) % N]
#define free(q)     ((q) * 8)
#define pub(q)      ((q) * 8 + 1)
#define hole(q)     ((q) * 8 + 2)
#define taken(q, x) ((q) * 8 + 3 + (x) - P)             /* only for consumer seats */

byte tail, head;

/* A seat's state with its generation. A process takes a seat once in its life, so its number serves as generation. */
byte state[SEATS];
#define FREE         0
#define TAKEN(i)     (2 * (i) + 1)
#define DEAD(i)      (2 * (i) + 2)
#define is_taken(v)  ((v) & 1)
#define is_dead(v)   ((v) != FREE && !is_taken(v))
#define owner(v)     (((v) - 1) / 2)

/* A seat's intent: first sequence, how many, and whether the claim was won. One word, so one store. */
byte intent[SEATS];
#define range(q, n)  ((q) * 8 + (n) * 2)
#define WON          1
#define first(v)     ((v) / 8)
#define past(v)      ((v) / 8 + ((v) / 2) % 4)
#define is_won(v)    ((v) & WON)
#define covers(v, q) (first(v) <= (q) && (q) < past(v))

byte lock[SEATS];                       /* 0, or 1 + the process that holds the seat's lock */

/* ---- What the kernel knows ---------------------------------------------------------------------------------------- */
byte living = 255;                      /* a bit per process */
byte deaths = DEATHS, stops = STOPS;
byte consumers_left = C + NEW_C;        /* alive and not stopped; the last one is spared: it has to deliver */
#define alive(i) ((living >> (i)) & 1)

/* ---- What the judge knows ----------------------------------------------------------------------------------------- */
byte published, delivered, redelivered; /* a bit per sequence */
byte waiting_p, waiting_c;              /* newcomers alive without a seat */
bool unmarked_death;                    /* a process died between winning a claim and marking it WON */
#define bit_of(q) (1 << (q))

/* Processes are numbered: producers, consumers (each in the seat of its number), newcomer producers, newcomer consumers. */
#define is_consumer(i) (((i) >= P && (i) < SEATS) || (i) >= SEATS + NEW_P)

inline fall_dead()
{
    deaths--;
    living = living & ~(1 << me);
    if :: is_consumer(me) -> consumers_left-- :: else fi;
    if
    :: seat == SEATS && is_consumer(me) -> waiting_c--
    :: seat == SEATS && !is_consumer(me) -> waiting_p--
    :: else
    fi;
    s = 0;
    do                                  /* the kernel drops the locks of the dead */
    :: s < SEATS -> if :: lock[s] == me + 1 -> lock[s] = 0 :: else fi; s++
    :: else -> break
    od;
    seat = 0; p = 0; m = 0; i = 0; x = 0; v = 0; s = 0; r = 0; q = 0; w = 0; past_range = 0; left = 0;
    covered = 0; conclusive = 0; tired = 0
}
#define may_die (!is_consumer(me) || consumers_left > 1)
#define or_die  :: atomic { deaths > 0 && may_die -> fall_dead(); goto died }
#define or_stop :: atomic { stops > 0 && may_die -> stops--; goto stopped }

/* ---- Which seats cover a sequence --------------------------------------------------------------------------------- */

/* Reads every seat in [lo, hi) but x, one word at a time: the state first, then the intent, then whether its owner
 * lives. `covered`: a living seat intends q. `conclusive`: a dead producer won q; any consumer but x won q, so x did not.
 * A death that is found is marked at once, by a CAS from the very state that was read. */
#ifdef MUTANT_MENDER_ANNOUNCES
#define NOT_ONESELF (s != seat)
#else
#define NOT_ONESELF true
#endif
inline scan(lo, hi)
{
    s = lo; covered = 0; conclusive = 0;
    do
#ifdef MUTANT_MENDER_ANNOUNCES
    :: atomic { s < hi && s == seat -> s++ }                    /* its own note does not hold it up */
#endif
    :: atomic { s == hi || conclusive -> s = 0; break }
    :: atomic { s < hi && !conclusive && (s == x || state[s] == FREE) -> s++ }
    :: atomic { s < hi && !conclusive && s != x && NOT_ONESELF && state[s] != FREE -> v = state[s] };
       atomic { r = intent[s]; if :: !covers(r, q) -> s++; v = 0; r = 0 :: else fi };
       if
       :: v == 0
       :: atomic { v != 0 && is_taken(v) && alive(owner(v)) ->
              if :: lo == P && is_won(r) -> conclusive = 1 :: else -> covered = 1 fi;
              s++; v = 0; r = 0 }
       :: atomic { v != 0 && !(is_taken(v) && alive(owner(v))) ->
              if :: is_taken(v) && state[s] == v -> state[s] = DEAD(owner(v)) :: else fi;
#ifndef MUTANT_NO_WON
              if :: is_won(r) -> conclusive = 1 :: else fi;
#endif
#ifdef MUTANT_HOLE_NEEDS_DEAD_SEAT
              found_dead = 1;
#endif
#ifdef MUTANT_MENDER_CLEARS_WITHOUT_LOCK
              i = s + 1;
#endif
              s++; v = 0; r = 0 }
       fi
    od
}

/* The same question at one instant. Only to decide when a sleeper looks again, never to decide what it does. */
#define covers_alive(s, x, q) ((s) != (x) && is_taken(state[s]) && alive(owner(state[s])) && covers(intent[s], q))
#define won_by_dead(s, q) (state[s] != FREE && !(is_taken(state[s]) && alive(owner(state[s]))) && \
                           covers(intent[s], q) && is_won(intent[s]))
#if P == 1
#define producer_covers(x, q) covers_alive(0, x, q)
#define dead_producer_won(q)  won_by_dead(0, q)
#elif P == 2
#define producer_covers(x, q) (covers_alive(0, x, q) || covers_alive(1, x, q))
#define dead_producer_won(q)  (won_by_dead(0, q) || won_by_dead(1, q))
#else
#define producer_covers(x, q) (covers_alive(0, x, q) || covers_alive(1, x, q) || covers_alive(2, x, q))
#define dead_producer_won(q)  (won_by_dead(0, q) || won_by_dead(1, q) || won_by_dead(2, q))
#endif
#if C == 1
#define consumer_covers(x, q) covers_alive(P, x, q)
#elif C == 2
#define consumer_covers(x, q) (covers_alive(P, x, q) || covers_alive(P + 1, x, q))
#elif C == 3
#define consumer_covers(x, q) (covers_alive(P, x, q) || covers_alive(P + 1, x, q) || covers_alive(P + 2, x, q))
#else
#define consumer_covers(x, q) (covers_alive(P, x, q) || covers_alive(P + 1, x, q) || \
                               covers_alive(P + 2, x, q) || covers_alive(P + 3, x, q))
#endif
#ifdef MUTANT_NO_WON
#undef dead_producer_won
#define dead_producer_won(q) false
#endif

#define ready(q)     (slot(q) == pub(q) || slot(q) == hole(q))
#define unfilled(q)  (tail > (q) && slot(q) == free(q))
#define ownerless(x) (is_dead(state[x]) || (is_taken(state[x]) && !alive(owner(state[x]))))
#ifdef MUTANT_HOLE_NEEDS_DEAD_SEAT
#define dead_covers(s, q) (ownerless(s) && covers(intent[s], q))
#if P == 1
#define hole_due(q)  dead_covers(0, q)
#else
#define hole_due(q)  ((dead_covers(0, q) || dead_covers(1, q)) && (dead_producer_won(q) || !producer_covers(SEATS, q)))
#endif
#else
#define hole_due(q)  (dead_producer_won(q) || !producer_covers(SEATS, q))
#endif

#ifdef MUTANT_SCAN_BEFORE_WORD
#define open_p(q)    true
#define open_c(q)    true
#else
#define open_p(q)    (slot(q) == free(q))
#define open_c(q)    ready(q)
#endif
#define blocked_p(x, q) (covers(intent[x], q) && tail > (q) && open_p(q) && producer_covers(x, q))
#define blocked_c(x, q) (covers(intent[x], q) && head > (q) && open_c(q) && consumer_covers(x, q) && !won_beside(x, q))
#define later_p(x) (!is_won(intent[x]) && (blocked_p(x, first(intent[x])) || blocked_p(x, first(intent[x]) + 1)))
#define later_c(x) (!is_won(intent[x]) && (blocked_c(x, first(intent[x])) || blocked_c(x, first(intent[x]) + 1)))
#define won_by(s, x, q) ((s) != (x) && state[s] != FREE && covers(intent[s], q) && is_won(intent[s]))
#if C == 1 || defined(MUTANT_SCAN_BEFORE_WORD)
#define won_beside(x, q) false
#elif C == 2
#define won_beside(x, q) (won_by(P, x, q) || won_by(P + 1, x, q))
#elif C == 3
#define won_beside(x, q) (won_by(P, x, q) || won_by(P + 1, x, q) || won_by(P + 2, x, q))
#else
#define won_beside(x, q) (won_by(P, x, q) || won_by(P + 1, x, q) || won_by(P + 2, x, q) || won_by(P + 3, x, q))
#endif

/* ---- Settling a dead seat x --------------------------------------------------------------------------------------- */

#ifdef MUTANT_ADOPT_AS_ONESELF
#define ADOPTER seat
#else
#define ADOPTER x
#endif

#ifdef MUTANT_WINNER_IGNORED
#define NOT_ANOTHERS true
#else
#define NOT_ANOTHERS (!conclusive)      /* a scan found another seat that won q */
#endif

/* A consumer in a seat adopts what the dead one held: its own from now on, and x is free. A newcomer takes x's seat with it. */
#if defined(MUTANT_ADOPT_AS_ONESELF) || defined(MUTANT_CLEAR_BEFORE_RANGE)
#define ADOPTS false
#else
#define ADOPTS (seat < SEATS)
#endif

/* Called with v = the state that was read, whose owner is dead or which was marked DEAD already. Comes back with the
 * seat resolved and its lock held, or jumps: `later` when a living process may own a sequence of its range or when the
 * lock is taken, `unlock` when the seat is no longer the one that died. */
inline settle(is_producer_seat, count, lo, hi)
{
    if                                                          /* mark first: the lock alone would make it look alive */
    :: atomic { if :: is_taken(v) && state[x] == v -> state[x] = DEAD(owner(v)) :: else fi; v = DEAD(owner(v)) }
    or_die
    fi;
    if
#ifdef MUTANT_ADOPT_WITHOUT_LOCK
    :: true
#else
    :: atomic { lock[x] == 0 -> lock[x] = me + 1 }
    :: atomic { lock[x] != 0 -> goto later }
#endif
    or_die
    fi;
    atomic {                                                    /* again under the lock: it may be settled by now */
        if
        :: state[x] != v -> v = 0; goto unlock
        :: else -> v = 0; q = first(intent[x])
        fi
    }
#ifdef MUTANT_CLEAR_BEFORE_RANGE
    r = intent[x];
    if :: intent[x] = 0 or_die fi;
    atomic { past_range = past(r); r = 0 }
#else
    atomic { past_range = past(intent[x]) }
#endif
#ifdef MUTANT_SETTLE_CLEARS_ONLY
    if :: is_producer_seat -> past_range = q :: else fi;
#endif
    do
    :: q >= past_range -> break
    :: q < past_range ->
#ifdef MUTANT_COUNT_READ_AFTER_SCAN
       if :: !is_won(intent[x]) -> scan(lo, hi) :: else fi;
#endif
       if
       :: atomic { count <= q -> goto next }                    /* not claimed, so not by the dead */
       :: atomic { count > q }
       fi;
#ifdef MUTANT_SCAN_BEFORE_WORD
       if
       :: !is_won(intent[x]) -> scan(lo, hi)
       :: else
       fi;
       if :: covered -> covered = 0; goto later_unlock :: else fi;
#endif
       atomic {
           w = slot(q);
           if
           :: is_producer_seat && w == free(q)
           :: !is_producer_seat && (w == pub(q) || w == hole(q) || w == taken(q, ADOPTER))
           :: else -> w = 0; goto next                          /* published or released long ago, or another's */
           fi
       }
#if !defined(MUTANT_COUNT_READ_AFTER_SCAN) && !defined(MUTANT_SCAN_BEFORE_WORD) && !defined(MUTANT_ADOPT_WITHOUT_SCAN)
       if
       :: is_won(intent[x]) || (!is_producer_seat && w == taken(q, ADOPTER))
       :: else ->
#ifdef MUTANT_MENDER_ANNOUNCES
          if :: !is_producer_seat && seat < SEATS -> intent[seat] = range(q, 1) :: else fi;
#endif
          scan(lo, hi)
       fi;
#endif
       if
       :: atomic { !is_producer_seat && !NOT_ANOTHERS -> w = 0; goto next }
       :: atomic { covered && (is_producer_seat || !conclusive) -> covered = 0; conclusive = 0; w = 0; goto later_unlock }
       :: atomic { !covered && is_producer_seat ->              /* the dead claim becomes a hole */
              if :: slot(q) == w -> slot(q) = hole(q) :: else fi; w = 0; goto next }
       :: atomic { !covered && w == hole(q) && !is_producer_seat && NOT_ANOTHERS ->
              if :: slot(q) == w -> slot(q) = free(q + N) :: else fi; w = 0; goto next }
       :: atomic { !covered && w == pub(q) && !is_producer_seat && NOT_ANOTHERS ->
#ifdef MUTANT_ADOPT_BY_STORE
              slot(q) = taken(q, ADOPTER); w = taken(q, ADOPTER) }
#else
              if
              :: slot(q) == w -> slot(q) = taken(q, ADOPTER); w = taken(q, ADOPTER)
              :: else -> w = 0; goto next
              fi }
#endif
       :: !covered && w == taken(q, ADOPTER) && !is_producer_seat && NOT_ANOTHERS
       or_die
       fi;
       if                                                       /* a newcomer delivers it, marked as redelivered */
       :: atomic { !is_producer_seat && ADOPTS -> w = 0; goto next }
       :: atomic {
              is_producer_seat || !ADOPTS;
              assert(published & bit_of(q));
              redelivered = redelivered | bit_of(q) }
       or_die
       fi;
       if
       :: atomic { assert(slot(q) == w); slot(q) = free(q + N); w = 0 }
       or_die
       fi;
next:  atomic { q++; covered = 0; conclusive = 0 }
    od;
    atomic { q = 0; past_range = 0 };
#ifdef MUTANT_MENDER_ANNOUNCES
    if :: !is_producer_seat && seat < SEATS -> intent[seat] = 0 :: else fi;
#endif
#if !defined(MUTANT_CLEAR_BEFORE_RANGE) && !defined(MUTANT_ADOPT_AS_ONESELF)
    if
    :: !is_producer_seat && ADOPTS ->                           /* handed over: covered anew, then named anew */
       atomic {                                                 /* the lock is ours: only we change taken(q, x) */
           q = first(intent[x]); past_range = past(intent[x]); w = is_won(intent[x]);
           do :: q < past_range && slot(q) != taken(q, x) -> q++ :: else -> break od;
#ifndef MUTANT_COVER_STAYS
           do :: q < past_range && slot(past_range - 1) != taken(past_range - 1, x) -> past_range-- :: else -> break od
#else
           q = first(intent[x])
#endif
       };
#ifndef MUTANT_NAMED_BEFORE_COVERED
       if
       :: atomic { q < past_range -> intent[seat] = range(q, past_range - q) + w; w = 0 }
       :: atomic { q >= past_range -> w = 0 }
       or_die
       fi;
#endif
       do
       :: q < past_range ->
          if
          :: atomic { if :: slot(q) == taken(q, x) -> slot(q) = taken(q, seat) :: else fi; q++ }
          or_die
          fi
       :: atomic { q >= past_range -> q = 0; past_range = 0; break }
       od;
#ifdef MUTANT_NAMED_BEFORE_COVERED
       if :: atomic { intent[seat] = intent[x]; w = 0 } or_die fi;
#endif
    :: else
    fi;
#endif
    if :: intent[x] = 0 or_die fi                               /* only now, and only under the lock */
}

/* ---- Producer ----------------------------------------------------------------------------------------------------- */
#ifdef MUTANT_TWO_OPEN_CLAIMS
#define WANT 1
#else
#define WANT (left < BATCH -> left : BATCH)
#endif

proctype producer(byte me; byte seat)
{
    byte p, m, i, x = SEATS, v, s, r, q, w, past_range, left = PUSHES;
    bit covered, conclusive, tired;
#if defined(MUTANT_HOLE_NEEDS_DEAD_SEAT)
    bit found_dead;
#endif
#ifdef MUTANT_TWO_OPEN_CLAIMS
    byte earlier = 255;
#endif
#if NEW_P > 0
    if
    :: seat < SEATS -> goto claim
    :: else
    fi;
attach:                                                         /* a newcomer: a free seat, or a dead one to be settled */
#define candidate(X) \
    :: atomic { ownerless(X) && lock[X] == 0 && (!tired || !later_p(X)) -> x = X; v = state[X] } \
    :: atomic { state[X] == FREE && lock[X] == 0 -> x = X; v = FREE; lock[X] = me + 1 }
end_attach:
    if
    candidate(0)
#if P > 1
    candidate(1)
#endif
#if P > 2
    candidate(2)
#endif
    or_die
    fi;
    if
    :: v == FREE
    :: v != FREE -> settle(true, tail, 0, P)
    fi;
    if                                                          /* bookkeeping done: the next generation begins */
    :: atomic { state[x] = TAKEN(me); seat = x; x = SEATS; tired = 0; waiting_p-- }
    or_die
    fi;
    goto claim;
later_unlock:
unlock:
    atomic { if :: lock[x] == me + 1 -> lock[x] = 0 :: else fi };
later:
    atomic { x = SEATS; v = 0; q = 0; past_range = 0; tired = 1; goto attach };
#endif

claim:
    do
    :: left == 0 -> break
    :: left > 0 ->
       if                                                       /* tail.load, once its word is free: else the ring is full */
#ifdef MUTANT_CHECK_LAST_OF_BATCH
       :: atomic { slot(tail + WANT - 1) == free(tail + WANT - 1) -> p = tail; m = WANT }
#else
       :: atomic { slot(tail) == free(tail) -> p = tail; m = 1 }
#endif
       or_die
       fi;
       do                                                       /* every further word of the batch */
       :: m < WANT ->
          if
          :: atomic { slot(p + m) == free(p + m) -> m++ }
          :: atomic { slot(p + m) != free(p + m) -> break }
          fi
       :: m >= WANT -> break
       od;
#if !defined(MUTANT_INTENT_AFTER_CLAIM)
       if                                                       /* announce exactly what the CAS will claim */
#ifdef MUTANT_ANNOUNCE_WIDER
       :: intent[seat] = range(p, 2)
#else
       :: intent[seat] = range(p, m)
#endif
       or_die
       fi;
#endif
       if
       :: atomic { tail == p -> tail = p + m }
       :: atomic { tail != p -> goto lost }
       or_stop
       or_die
       fi;
#if defined(MUTANT_INTENT_AFTER_CLAIM)
       if :: intent[seat] = range(p, m) or_die fi;
#endif
#ifdef MUTANT_ANNOUNCE_WIDER
#define EXTRA 2
#else
#define EXTRA m
#endif
       if
       :: intent[seat] = range(p, EXTRA) + WON
       :: atomic { deaths > 0 && may_die -> if :: STOPS > 0 -> unmarked_death = 1 :: else fi; fall_dead(); goto died }
       fi;
#ifdef MUTANT_TWO_OPEN_CLAIMS
       if
       :: atomic { earlier == 255 && left > 1 -> earlier = p; left--; p = 0; m = 0; goto claim }
       :: atomic { earlier != 255 || left <= 1 }
       fi;
       if
       :: atomic { earlier != 255 -> assert(slot(earlier) == free(earlier)); slot(earlier) = pub(earlier);
                   published = published | bit_of(earlier); earlier = 255 }
       :: atomic { earlier == 255 }
       or_die
       fi;
#endif
#ifdef MUTANT_NEXT_INTENT_BEFORE_PUBLISH
       if :: intent[seat] = 0 or_die fi;
#endif
       do
       :: i == m -> break
       :: i < m ->
          if
          :: atomic {                                           /* publish: a plain store, so the slot must be ours */
                 assert(slot(p + i) == free(p + i));
                 slot(p + i) = pub(p + i); published = published | bit_of(p + i); i++ }
#ifdef ABANDON
          :: atomic { assert(slot(p + i) == free(p + i));
#ifdef MUTANT_ABANDON_ROLLS_BACK
                 if :: tail == p + i + 1 && i + 1 == m -> tail = p + i :: else -> slot(p + i) = hole(p + i) fi;
#else
                 slot(p + i) = hole(p + i);
#endif
                 i++ }
#endif
          or_die
          fi
       od;
       atomic { left = left - m; p = 0; m = 0; i = 0; goto claim };
lost:
       if :: atomic { intent[seat] = 0; p = 0; m = 0; goto claim } or_stop or_die fi
    od;
#ifdef DETACH
    if :: intent[seat] = 0 or_die fi;
    if :: atomic { state[seat] = FREE; lock[seat] = 0; seat = 0 } or_die fi;
#endif
    /* A living producer that has nothing to say stays in its seat, and may still be killed there. */
#ifndef DETACH
    if
    or_die
    :: goto finished
    fi;
#endif
    goto finished;
stopped:
    atomic { p = 0; m = 0; i = 0; left = 0 };
finished:
died:
    skip
#undef candidate
}

/* ---- Consumer ----------------------------------------------------------------------------------------------------- */
proctype consumer(byte me; byte seat)
{
    byte p, m, i, x = SEATS, v, s, r, q, w, past_range, left;
    bit covered, conclusive, tired;
#if defined(MUTANT_HOLE_NEEDS_DEAD_SEAT)
    bit found_dead;
#endif
#define seated (seat < SEATS)

look:
#define mendable(X) \
    :: atomic { ownerless(X) && lock[X] == 0 && X != seat && (!tired || !later_c(X)) -> x = X; v = state[X] }
end_idle:
    if
    :: atomic { seated && ready(head) -> p = head; m = 1 }
#ifdef MUTANT_TAIL_READ_AFTER_SCAN
    :: atomic { seated && slot(head) == free(head) && (!tired || (unfilled(head) && hole_due(head))) ->
           q = head; goto mend_hole }
#else
    :: atomic { seated && unfilled(head) && (!tired || hole_due(head)) -> q = head; goto mend_hole }
#endif
    mendable(P)
       goto mend_seat
#if C > 1
    mendable(P + 1)
       goto mend_seat
#endif
#if C > 2
    mendable(P + 2)
       goto mend_seat
#endif
#if C > 3
    mendable(P + 3)
       goto mend_seat
#endif
#if NEW_C > 0
#define vacant(X) :: atomic { !seated && state[X] == FREE && lock[X] == 0 -> x = X; lock[X] = me + 1 }
    vacant(P)
       goto take_seat
#if C > 1
    vacant(P + 1)
       goto take_seat
#endif
#if C > 2
    vacant(P + 2)
       goto take_seat
#endif
#endif
    or_die
    fi;

    /* receive: all of the batch must be ready, then announce, claim, mark. */
    do
    :: m < BATCH ->
       if
       :: atomic { ready(p + m) -> m++ }
       :: atomic { !ready(p + m) -> break }
       fi
    :: m >= BATCH -> break
    od;
#if !defined(MUTANT_INTENT_AFTER_CLAIM)
    if :: intent[seat] = range(p, m) or_die fi;
#endif
    if
    :: atomic { head == p -> head = p + m }
    :: atomic { head != p -> goto lost }
    or_stop
    or_die
    fi;
#if defined(MUTANT_INTENT_AFTER_CLAIM)
    if :: intent[seat] = range(p, m) or_die fi;
#endif
    if
    :: intent[seat] = range(p, m) + WON
    :: atomic { deaths > 0 && may_die -> if :: STOPS > 0 -> unmarked_death = 1 :: else fi; fall_dead(); goto died }
    fi;
#ifdef MUTANT_NEXT_INTENT_BEFORE_PUBLISH
    if :: intent[seat] = 0 or_die fi;
#endif
    do
    :: i == m -> break
    :: i < m ->
       if
       :: atomic {
              assert(ready(p + i));
              if
              :: slot(p + i) == pub(p + i) ->                   /* unmarked, so it must be the only delivery */
                     assert(published & bit_of(p + i));
                     assert(!((delivered | redelivered) & bit_of(p + i)));
                     delivered = delivered | bit_of(p + i)
              :: else
              fi }
       or_die
       fi;
       if
       :: atomic { assert(ready(p + i)); slot(p + i) = free(p + i + N); i++ }      /* release */
       or_die
       fi
    od;
    atomic { p = 0; m = 0; i = 0; tired = 0; goto look };
lost:
    if :: atomic { intent[seat] = 0; p = 0; m = 0; tired = 0; goto look } or_stop or_die fi;

mend_hole:                                                      /* tail > q was read; which seats cover q? no lock */
#ifndef MUTANT_HOLE_WITHOUT_SCAN
    scan(0, P);
#endif
#ifdef MUTANT_TAIL_READ_AFTER_SCAN
    if :: atomic { tail <= q -> tired = 1; covered = 0; conclusive = 0; q = 0; goto look } :: tail > q fi;
#endif
    if
    :: atomic { covered && !conclusive -> tired = 1 }
#ifdef MUTANT_HOLE_NEEDS_DEAD_SEAT
    :: atomic { !covered && !found_dead -> tired = 1 }
    :: atomic { found_dead && (!covered || conclusive) ->
#else
    :: atomic { !covered || conclusive ->
#endif
#ifdef MUTANT_HOLE_BY_STORE
           slot(q) = hole(q); tired = 0 }
#else
           if :: slot(q) == free(q) -> slot(q) = hole(q) :: else fi; tired = 0 }
#endif
    or_die
    fi;
#ifdef MUTANT_MENDER_CLEARS_WITHOUT_LOCK
    if :: atomic { i > 0 && tired == 0 -> intent[i - 1] = 0; i = 0 } :: atomic { i == 0 || tired -> i = 0 } fi;
#endif
    atomic { covered = 0; conclusive = 0; q = 0; goto look };

mend_seat:
    settle(false, head, P, SEATS);
take_seat:
    if
#if NEW_C > 0
    :: atomic { !seated -> state[x] = TAKEN(me); seat = x; waiting_c--; x = SEATS; tired = 0; goto look }
#endif
    :: atomic { seated -> state[x] = FREE; lock[x] = 0; x = SEATS; tired = 0; q = first(intent[seat]) }
    or_die
    fi;
    do                                                          /* deliver what was adopted, marked as redelivered */
    :: atomic { q < past(intent[seat]) && slot(q) != taken(q, seat) -> q++ }
    :: q < past(intent[seat]) && slot(q) == taken(q, seat) ->
       if
       :: atomic { assert(published & bit_of(q)); redelivered = redelivered | bit_of(q) }
       or_die
       fi;
       if
       :: atomic { assert(slot(q) == taken(q, seat)); slot(q) = free(q + N); q++ }
       or_die
       fi
    :: atomic { q >= past(intent[seat]) -> q = 0; break }
    od;
#ifdef MUTANT_COVER_STAYS
    goto look;
#endif
    if :: atomic { intent[seat] = 0; goto look } or_die fi;
later_unlock:
#ifdef MUTANT_MENDER_ANNOUNCES
    if :: seated -> intent[seat] = 0 :: !seated fi;
#endif
unlock:
    atomic { if :: lock[x] == me + 1 -> lock[x] = 0 :: else fi };
later:
    atomic { x = SEATS; v = 0; q = 0; past_range = 0; tired = 1; goto look };

stopped:
    atomic { consumers_left--; p = 0; m = 0; i = 0; goto finished };
died:
finished:
    skip
}

/* ---- Judgement ---------------------------------------------------------------------------------------------------- */

/* Looks when nothing moves any more. */
proctype judge()
{
    byte k;
end:
    atomic {
        timeout;
        if
        :: STOPS > stops && unmarked_death                      /* the one stall that the promise excepts */
        :: else ->
               assert(head == tail);
               assert((published & ~(delivered | redelivered)) == 0);
               k = 0;
               do
               :: k < N -> assert(word[k] % 8 == 0); k++        /* every slot came back */
               :: k == N -> break
               od;
               k = 0;
               do
               :: k < SEATS -> assert(!ownerless(k) || (k < P && waiting_p == 0));
                               assert(state[k] != FREE || (k < P -> waiting_p == 0 : waiting_c == 0)); k++
               :: k == SEATS -> break
               od;
               k = 0
        fi
    }
}

init
{
    byte k;
    atomic {
        do :: k < N -> word[k] = free(k); k++ :: k == N -> break od;
        waiting_p = NEW_P; waiting_c = NEW_C;
        do :: deaths > 0 -> deaths-- :: break od;               /* fewer deaths than allowed must end well too */
        run judge();
        k = 0;
        do
        :: k < P -> state[k] = TAKEN(k); lock[k] = k + 1; run producer(k, k); k++
        :: k >= P && k < SEATS -> state[k] = TAKEN(k); lock[k] = k + 1; run consumer(k, k); k++
        :: k >= SEATS && k < SEATS + NEW_P -> run producer(k, SEATS); k++
        :: k >= SEATS + NEW_P && k < SEATS + NEW_P + NEW_C -> run consumer(k, SEATS); k++
        :: k == SEATS + NEW_P + NEW_C -> k = 0; break
        od
    }
}
