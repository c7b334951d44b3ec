/* A topic: publishers that overwrite slots in place, lossless subscribers that join, leave and die, and a reader that writes
 * nothing. A claim, its exchange and the hole that a dead one becomes are one step each where there are several publishers,
 * because mpmc.pml has their steps. What is not abstract is what a topic adds: the floor that a publisher announces before
 * it looks at the subscribers, the bit and the keep that a subscriber announces before it looks at the floors, the word that
 * goes before the bytes, and what a successor of either may rely on.
 *
 * Memory is sequentially consistent: the two fences (J) are what makes it so, and a mutant without one moves the store behind
 * the look. One atomic block is one shared access. Any process may be killed before any of its writes. No process polls: one
 * that finds nothing to do blocks until a look would find something, so a stall is an invalid end state.
 *
 * Sequences begin at N, so that one lap lies before them; its words are holes.
 * Sizes: N slots, P publisher seats (SINGLE: one, which publishes batches of up to BATCH and whose claims leave no trace), S
 * subscriber seats, NEW_P and NEW_S newcomers that take a dead or free seat, PUSHES of each publisher, a look is good for
 * LEASE slots, a subscriber that joins wants up to HIST sequences of history and joins up to JOINS times. ARENA: before each
 * claim a publisher uses the bytes of its last message again, as an arena makes it do that is shorter than the slots. DROPS:
 * so many subscribers that are in a publisher's way lose their keep, at any moment; how long they stalled is not modelled.
 * NAMED: all subscribers of a seat are of one subscription: what one leaves or dies with, the next in its seat gets. A publisher
 * may then be held up for ever, and a subscriber wait for it. That one process at a time gives names is not modelled.
 */
#ifndef N
#define N 2
#endif
#ifndef P
#define P 1
#endif
#ifndef S
#define S 1
#endif
#ifndef NEW_P
#define NEW_P 0
#endif
#ifndef NEW_S
#define NEW_S 0
#endif
#ifndef PUSHES
#define PUSHES 2
#endif
#ifndef BATCH
#define BATCH 1
#endif
#ifndef LEASE
#define LEASE 1
#endif
#ifndef HIST
#define HIST 1
#endif
#ifndef JOINS
#define JOINS 1
#endif
#ifndef READER
#define READER 0
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef DROPS
#define DROPS 0
#endif

/* ---- Shared bytes ---- */
byte word[N], first[N], last[N];        /* a slot's word; both ends of its message, each the sequence that wrote it */
byte tail = N;                          /* SINGLE: what its publisher noted; else the next to claim */
byte floor[P];                          /* by publisher seat */
byte keep[S];                           /* by subscriber seat: sequence + 1; 0: nothing; DROPPED */
#define DROPPED  255
bit keeping[S];
#ifdef NAMED
bit joining[S];                         /* the keep is not final */
#endif
#define slot(q)  word[(q) % N]
#define FREE     0
#define PUB      1
#define HOLE     2
#define GONE     3                      /* was published; its bytes are used again */
#define of(q, k) ((q) * 4 + (k))
#define seq(w)   ((w) / 4)
#ifdef ARENA
#define done(q)  (slot(q) == of(q, PUB) || slot(q) == of(q, HOLE) || slot(q) == of(q, GONE))
#else
#define done(q)  (slot(q) == of(q, PUB) || slot(q) == of(q, HOLE))
#endif

/* ---- Seats: 0 free, else the owner + 1; a dead owner's is taken by a newcomer that settles it ---- */
byte pseat[P], sseat[S];
byte living = 255;
byte deaths = DEATHS;
byte drops = DROPS;
#define kept(s)  (keep[s] != 0 && keep[s] != DROPPED)
#define alive(i) ((living >> (i)) & 1)
#define vacant(x) ((x) == 0 || !alive((x) - 1))

/* ---- What the judge knows ---- */
byte claimer[N];                        /* many publishers: the one that has claimed it and not published it, + 1 */
byte needs[S];                          /* by seat: 1 + what a subscriber was promised and has not released; 0: nothing */
byte busy = P + NEW_P;                  /* publishers that may still publish */
byte waiting_p = NEW_P, waiting_s = NEW_S;
byte attached = S + NEW_S;              /* subscribers that have not ended */
#define needed_by(s, q) (needs[s] != 0 && needs[s] <= (q) + 1)
#if S == 2
#define needed(q)    (needed_by(0, q) || needed_by(1, q))
#define gated_by_any(f) (gates(0, f) || gates(1, f))
#else
#define needed(q)    needed_by(0, q)
#define gated_by_any(f) gates(0, f)
#endif
#if defined(NAMED) && !defined(MUTANT_VACANT_KEEP_IGNORED)
#define may_keep(s)  true
#else
#define may_keep(s)  (!vacant(sseat[s]))
#endif
/* Only to decide when a publisher that is held up looks again. */
#define gates(s, f)  (keeping[s] && may_keep(s) && kept(s) && keep[s] - 1 < (f))
#ifdef SINGLE
#define hole_due(q)  false
#else
#define hole_due(q)  ((q) < tail && (q) >= N && !done(q) && seq(slot(q)) <= (q) && claimer[(q) % N] != 0 && !alive(claimer[(q) % N] - 1))
#endif

#define or_die :: atomic { deaths > 0 -> deaths--; goto died }
#define max(x, y) ((x) > (y) -> (x) : (y))

/* ---- Publisher ---- */
/* Asks for the right to overwrite everything below `want`; `mine` is what is granted. */
inline look()
{
#ifndef MUTANT_FLOOR_ABOVE_TAIL
    if :: want > p -> want = p :: else fi;
#endif
#ifndef MUTANT_LOOK_BEFORE_ANNOUNCE
    if :: floor[seat] = max(base, want) or_die fi;
#endif
    s = 0; got = want;
    do
    :: s == S -> s = 0; break
    :: s < S && !keeping[s] -> s++
    :: s < S && keeping[s] ->
       if
       :: atomic { !may_keep(s) -> s++ }                     /* left, or proven dead at a tick */
       :: atomic { may_keep(s) -> if :: kept(s) && keep[s] - 1 < got -> got = keep[s] - 1 :: else fi; s++ }
#if DROPS > 0
       :: atomic { drops > 0 && !vacant(sseat[s]) && kept(s) && keep[s] - 1 < got ->
                   drops--; keep[s] = DROPPED; needs[s] = 0; s++ }                  /* by exchange from what it was */
#endif
       fi
    od;
    atomic { if :: got > mine -> mine = got :: else fi; got = 0; want = 0 };
    if :: floor[seat] = max(base, mine) or_die fi
}

proctype publisher(byte me; byte seat)
{
    byte p, m, i, s, want, got, mine, base, left = PUSHES;
#ifdef ARENA
    byte held;                          /* its last message */
#endif
    if :: seat != 255 -> goto sat :: else fi;
end_attach:
    if
    :: atomic { vacant(pseat[0]) -> seat = 0 }
#if P == 2
    :: atomic { vacant(pseat[1]) -> seat = 1 }
#endif
    fi;
    atomic { pseat[seat] = me + 1; waiting_p-- };
sat:
#ifndef MUTANT_FLOOR_FALLS
    base = floor[seat];
#endif
#ifdef SINGLE
    p = tail;
    do :: slot(p) == of(p, PUB) -> p++ :: else -> break od;
    if :: tail = p or_die fi;
#endif
    do
    :: left == 0 -> break
    :: left > 0 ->
       m = 1;
#ifdef SINGLE
       if :: true :: left > 1 && BATCH > 1 -> m = 2 fi;
#else
       if
#ifdef MUTANT_NO_LOOK_AT_THE_SLOT
       :: atomic { p = tail }
#else
       :: atomic { done(tail - N) -> p = tail }
#endif
#ifndef MUTANT_PUBLISHERS_DO_NOT_MEND
       :: atomic { hole_due(tail - N) -> slot(tail - N) = of(tail - N, HOLE); claimer[tail % N] = 0 }; goto again
#endif
       or_die
       fi;
#endif
       do
       :: mine + N >= p + m -> break
       :: mine + N < p + m ->
          want = p + m + LEASE - N;
          look();
#ifdef NAMED
end_held:
#endif
          if
          :: mine + N >= p + m
#ifndef SINGLE
          :: atomic { mine + N < p + m && tail != p }; goto again
#endif
          :: mine + N < p + m && !gated_by_any(p + m - N)
          or_die
          fi
       od;
#ifdef ARENA
       if
       :: held == 0
       :: held != 0 ->
#ifndef MUTANT_KEEPS_NOT_ASKED
          do
          :: mine > held -> break
          :: mine <= held ->
             want = held + 1;
             look();
             if :: mine > held :: mine <= held && !gated_by_any(held + 1) or_die fi
          od;
#endif
#ifdef MUTANT_BYTES_BEFORE_GONE
          if :: atomic { if :: first[held % N] == held -> first[held % N] = 0 :: else fi } or_die fi;
#endif
#ifndef MUTANT_NO_GONE
          if
#ifdef MUTANT_GONE_BY_STORE
          :: atomic { assert(!needed(held)); slot(held) = of(held, GONE) }
#else
          :: atomic { assert(!needed(held)); if :: slot(held) == of(held, PUB) -> slot(held) = of(held, GONE) :: else fi }
#endif
          or_die
          fi;
#endif
          if :: atomic { if :: first[held % N] == held -> first[held % N] = 0 :: else fi } or_die fi;
          held = 0
       fi;
#endif
#ifndef SINGLE
       if
       :: atomic { tail == p -> tail = p + 1; claimer[p % N] = me + 1 }
       :: atomic { tail != p }; goto again
       or_die
       fi;
#endif
#ifdef MUTANT_BYTES_BEFORE_WORD
       if :: first[p % N] = p or_die fi;
#endif
       i = 0;
       do
       :: i == m -> break
       :: i < m ->
          if
#ifdef MUTANT_NO_INVALIDATION
          :: atomic { assert(!needed(p + i - N)) }
#else
          :: atomic { assert(!needed(p + i - N)); slot(p + i) = of(p + i, FREE) }
#endif
          or_die
          fi;
          i++
       od;
       i = 0;
       do
       :: i == m -> break
       :: i < m ->
          if :: first[(p + i) % N] = p + i or_die fi;
          if :: last[(p + i) % N] = p + i or_die fi;
          i++
       od;
       i = 0;
       do
       :: i == m -> break
       :: i < m ->
          if :: atomic { assert(!needed(p + i - N)); slot(p + i) = of(p + i, PUB); left--; claimer[(p + i) % N] = 0;
#ifdef ARENA
                        held = p + i
#endif
                      } or_die fi;
          i++
       od;
       i = 0;
#ifdef SINGLE
       p = p + m;
       if :: tail = p or_die fi;
#endif
again: atomic { m = 0; want = 0;
#ifndef SINGLE
                p = 0
#endif
              }
    od;
    atomic { busy--; goto finished };
died:
    atomic { living = living & ~(1 << me); busy-- };
finished:
    skip
}

/* ---- Lossless subscriber ---- */
proctype subscriber(byte me; byte seat)
{
    byte p, k, w, n, x, y, joins = JOINS;
    if :: seat != 255 -> goto join :: else fi;
end_attach:
    if
    :: atomic { vacant(sseat[0]) -> seat = 0 }
#if S == 2
    :: atomic { vacant(sseat[1]) -> seat = 1 }
#endif
    fi;
    waiting_s--;
#if !defined(NAMED) || defined(MUTANT_SETTLING_ENDS_IT)
    if :: keep[seat] = 0 or_die fi;     /* settling, under the lock */
    if :: keeping[seat] = 0 or_die fi;
#endif
    sseat[seat] = me + 1;
join:
    joins--;
#ifdef NAMED
#ifdef MUTANT_TRUSTS_A_KEEP_THAT_IS_NOT_FINAL
    if :: kept(seat) -> p = keep[seat] - 1; goto joined :: else fi;
#else
    if :: atomic { kept(seat) && !joining[seat] -> p = keep[seat] - 1 }; assert(needs[seat] == p + 1); goto joined
       :: atomic { !kept(seat) || joining[seat] } fi;
#endif
#endif
    if :: n = 0 :: HIST > 0 -> n = 1 :: HIST > 1 -> n = 2 fi;
    atomic { p = tail - n; w = tail };
#ifdef MUTANT_FLOORS_BEFORE_KEEP
    k = 0; n = p; do :: k == P -> k = 0; break :: k < P -> atomic { n = max(n, floor[k]); k++ } od;
#endif
#ifndef MUTANT_BIT_AFTER_FLOORS
    if :: keeping[seat] = 1 or_die fi;
#endif
#ifndef MUTANT_KEEP_ONLY_FINAL
#ifdef NAMED
    if :: atomic { keep[seat] = p + 1; joining[seat] = 1 } or_die fi;
#else
    if :: keep[seat] = p + 1 or_die fi;
#endif
#endif
#ifndef MUTANT_FLOORS_BEFORE_KEEP
    k = 0; n = p;
    do :: k == P -> k = 0; break :: k < P -> atomic { n = max(n, floor[k]); k++ } od;
#endif
#ifdef MUTANT_BIT_AFTER_FLOORS
    if :: keeping[seat] = 1 or_die fi;
#endif
#ifndef MUTANT_IGNORES_FLOORS
    p = n;
#endif
    atomic { assert(p <= tail); n = 0; w = 0 };                        /* it misses nothing that is new */
#if DROPS > 0
    if
#ifndef MUTANT_STORES_ITS_KEEP
    :: atomic { kept(seat) -> keep[seat] = p + 1; needs[seat] = p + 1 }
    :: atomic { !kept(seat) }                                           /* dropped already: lossy from the beginning */
#else
    :: atomic { keep[seat] = p + 1; needs[seat] = p + 1 }
#endif
    or_die
    fi;
#elif defined(NAMED)
    if :: atomic { needs[seat] = p + 1; keep[seat] = p + 1; joining[seat] = 0 } or_die fi;
joined:
#else
    needs[seat] = p + 1;
    if :: keep[seat] = p + 1 or_die fi;
#endif
    do
    ::
#ifdef NAMED
       skip;
end_wait:
#endif
       if
       :: atomic { done(p) -> w = slot(p) }
       :: atomic { seq(slot(p)) > p -> assert(keep[seat] == DROPPED); w = slot(p) }   /* overtaken */
       :: atomic { hole_due(p) -> slot(p) = of(p, HOLE); claimer[p % N] = 0; w = 0 }
       :: atomic { busy == waiting_p && tail <= p && !done(p) -> joins = 0; break }
#ifdef SINGLE
       :: atomic { busy == waiting_p && tail > p && !done(p) && seq(slot(p)) <= p -> assert(false) }
#endif
       or_die
       fi;
#if DROPS > 0
       if
       :: w == of(p, PUB) ->
          x = first[p % N]; y = last[p % N];
#ifdef MUTANT_DROPPED_TRUSTS_ITS_KEEP
          atomic { assert(x == p && y == p) }
#else
          if
          :: atomic { slot(p) == w -> assert(x == p && y == p) }
          :: atomic { slot(p) != w -> assert(keep[seat] == DROPPED) }
          fi
#endif
       :: else
       fi;
       if
       :: w == 0
       :: w != 0 ->
          if
          :: atomic { keep[seat] == p + 1 -> needs[seat] = p + 2; keep[seat] = p + 2; p++ }
          :: atomic { keep[seat] == DROPPED -> p++ }                    /* the exchange fails: lossy from now on */
          or_die
          fi
       fi;
       x = 0; y = 0;
#else
       if
       :: w == of(p, PUB) -> assert(first[p % N] == p); assert(last[p % N] == p)
#ifdef ARENA
       :: w == of(p, GONE) -> assert(false)                             /* taken away, although it keeps p */
#endif
       :: else
       fi;
       if
       :: w == 0
       :: w != 0 ->
          if :: atomic { needs[seat] = p + 2; keep[seat] = p + 2; p++ } or_die fi
       fi;
#endif
       w = 0;
       if :: true :: p > N + 1 -> break fi                              /* may leave early */
    od;
#if !defined(NAMED) || defined(MUTANT_LEAVING_ENDS_IT)
#ifndef NAMED
    atomic { needs[seat] = 0; p = 0 };
#endif
    if :: keep[seat] = 0 or_die fi;
#ifdef MUTANT_BIT_AFTER_SEAT
    if :: joins == 0 -> sseat[seat] = 0 :: else fi;
#endif
    if :: keeping[seat] = 0 or_die fi;
#else
    p = 0;
#endif
    if :: joins > 0 -> goto join :: else fi;
#ifndef MUTANT_BIT_AFTER_SEAT
    if :: sseat[seat] = 0 or_die fi;
#endif
    attached--;
    goto finished;
died:
#ifdef NAMED
    atomic { living = living & ~(1 << me); attached-- };
#else
    atomic { living = living & ~(1 << me); attached--; if :: seat != 255 && sseat[seat] == me + 1 -> needs[seat] = 0 :: else fi };
#endif
finished:
    skip
}

/* ---- A reader that writes nothing: it is overtaken, and never accepts what is torn ---- */
proctype reader()
{
    byte p, w, x, y;
    atomic { p = tail - 1 };
    do
    :: if
       :: atomic { done(p) || seq(slot(p)) > p -> w = slot(p) }
       :: break                                                         /* may stop at any time */
       fi;
       if
       :: w == of(p, PUB) ->
          x = first[p % N]; y = last[p % N];
#ifdef MUTANT_NO_VALIDATION
          atomic { assert(x == p && y == p); p++ }
#else
          if
          :: atomic { slot(p) == w -> assert(x == p && y == p); p++ }
          :: atomic { slot(p) != w }
          fi
#endif
       :: else -> p++                                                   /* a hole, or lost */
       fi;
       x = 0; y = 0; w = 0
    od;
    p = 0
}

/* When nothing moves any more, every newcomer has had its seat unless the living have them all. */
proctype judge()
{
    byte k;
end:
    atomic {
        timeout;
        k = 0;
        do :: k < P -> assert(waiting_p == 0 || !vacant(pseat[k])); k++ :: k == P -> break od;
        k = 0;
        do :: k < S -> assert(waiting_s == 0 || !vacant(sseat[k])); k++ :: k == S -> break od;
        k = 0
    }
}

init
{
    byte k;
    atomic {
        do :: k < N -> word[k] = of(k, HOLE); k++ :: k == N -> break od;
        do :: deaths > 0 -> deaths-- :: break od;
        k = 0;
        do :: k < P -> pseat[k] = k + 1; run publisher(k, k); k++ :: k == P -> break od;
        do :: k < P + S -> sseat[k - P] = k + 1; run subscriber(k, k - P); k++ :: k == P + S -> break od;
        do :: k < P + S + NEW_P -> run publisher(k, 255); k++ :: k == P + S + NEW_P -> break od;
        do :: k < P + S + NEW_P + NEW_S -> run subscriber(k, 255); k++ :: k == P + S + NEW_P + NEW_S -> k = 0; break od;
        if :: READER -> run reader() :: else fi;
        run judge()
    }
}
