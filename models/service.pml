/* The lane of a service: one client, whose calls go through one lane one after the other, and servers that are killed. The ring of
 * requests is abstract, because mpmc.pml has its steps: a request is in one server's hands at a time, and when that one is dead
 * the next one gets it, marked. What is not abstract is the way of the replies: the words of the lane's slots, what the client
 * notes of its call, when a lane may be used again, and what a server finds out that gets a request once more.
 *
 * A server writes up to PARTS parts and then the last reply, or is killed before any of its steps, DEATHS in all. The client gives
 * a call up at any moment while GIVES_UP are left. Memory is sequentially consistent. One atomic block is one shared access.
 * Sizes: CALLS, SERVERS (1 or 2 at once; the dead are followed), SLOTS of the lane.
 */
#ifndef CALLS
#define CALLS 2
#endif
#ifndef SERVERS
#define SERVERS 2
#endif
#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef PARTS
#define PARTS 1
#endif
#ifndef DEATHS
#define DEATHS 2
#endif
#ifndef GIVES_UP
#define GIVES_UP 1
#endif

/* ---- Shared bytes ---- */
byte number[SLOTS], attempt[SLOTS];     /* a slot's word: which reply, of which attempt, */
bit is_last[SLOTS];                     /* and whether it is the last */
byte of_call[SLOTS], part[SLOTS];       /* its payload: the call that it answers, and which part it is */
byte call;                              /* noted by the client: the number of the first reply to its call */
byte released;                          /* by the client: it has read the replies below */
byte cancelled;                         /* the last call that it gave up */
#define at(n) ((n) % SLOTS)

/* ---- The ring: requests, each named by its call; the state of one that was never sent is none ---- */
#define none 0
#define waits 1
#define held 2
#define orphan 3                        /* its server died with it in its hands */
#define done 4
byte state[CALLS + 1];                  /* by the turn of the call, from 1 */
byte head_call[CALLS + 1];              /* what the request says */
byte turn;                              /* of the client's call that was sent last */

byte deaths = DEATHS, gives_up = GIVES_UP;
bit is_over;                            /* the client makes no more calls */

proctype client()
{
    byte next = 1, mine, last_attempt, next_part, i, last;
    bit is_left, has_ended;
    do
    :: turn == CALLS -> break
    :: turn < CALLS ->
       if
       :: !is_left
       :: is_left ->
#ifndef MUTANT_LANE_IS_USED_AT_ONCE
          atomic { state[turn] == done -> skip };                       /* its request was handed back */
#endif
          i = 0; last = 0;
          do
          :: i == SLOTS -> break
          :: i < SLOTS -> atomic { if :: number[i] > last -> last = number[i] :: else fi; i++ }
          od;
          atomic { next = (last > call -> last : call) + 1; is_left = 0; i = 0; last = 0 }
       fi;
       mine = next;
       call = mine;
       atomic { turn++; head_call[turn] = mine; state[turn] = waits };  /* the request is published */
       atomic { last_attempt = 1; next_part = 0; has_ended = 0 };
       do
       :: atomic { number[at(next)] == next ->
             assert(of_call[at(next)] == mine);                         /* never a reply to another call */
             assert(attempt[at(next)] >= last_attempt);                 /* nor a part of an earlier attempt behind a later one */
             if
             :: attempt[at(next)] > last_attempt -> last_attempt = attempt[at(next)]; next_part = 0
             :: else
             fi;
             assert(part[at(next)] == next_part);                       /* each attempt from its beginning, without a gap */
             next_part++;
             has_ended = is_last[at(next)];
             next++ };
          if
          :: has_ended -> break
          :: !has_ended -> released = next
          fi
       :: atomic { gives_up > 0 -> gives_up--; cancelled = mine; is_left = 1 }; break
       od;
       mine = 0; last_attempt = 0; next_part = 0
    od;
    is_over = 1
}

#define or_die :: atomic { deaths > 0 -> deaths--; goto died }

proctype server()
{
    byte t, c, n, a, i, last, left, read, k;
    bit was_held, last_is_last;
    do
    :: skip;
end_idle:
       if
       :: atomic { turn >= 1 && state[1] == waits -> t = 1; state[1] = held; was_held = 0 }
       :: atomic { turn >= 1 && state[1] == orphan -> t = 1; state[1] = held; was_held = 1 }
#if CALLS > 1
       :: atomic { turn >= 2 && state[2] == waits -> t = 2; state[2] = held; was_held = 0 }
       :: atomic { turn >= 2 && state[2] == orphan -> t = 2; state[2] = held; was_held = 1 }
#endif
#if CALLS > 2
       :: atomic { turn >= 3 && state[3] == waits -> t = 3; state[3] = held; was_held = 0 }
       :: atomic { turn >= 3 && state[3] == orphan -> t = 3; state[3] = held; was_held = 1 }
#endif
       fi;
       atomic { c = head_call[t]; n = c; a = 1; k = 0; read = c };
       if
       :: !was_held
       :: was_held ->
#ifdef MUTANT_CALL_IS_READ_FIRST
          if :: call != c -> goto over :: call == c or_die fi;
#endif
          i = 0; last = 0; last_is_last = 0;
#ifndef MUTANT_BEGINS_ANEW
          do
          :: i == SLOTS -> break
          :: i < SLOTS -> atomic { if :: number[i] > last -> last = number[i]; last_is_last = is_last[i]; a = attempt[i] :: else fi; i++ }
          od;
#endif
#ifndef MUTANT_CALL_IS_READ_FIRST
          if :: call != c -> goto over :: call == c or_die fi;
#endif
          atomic {
             if
             :: last < c -> a = 2
             :: last >= c && last_is_last -> goto over
             :: last >= c && !last_is_last -> n = last + 1; a++
             fi;
             i = 0; last = 0; last_is_last = 0
          }
       fi;
       left = PARTS;
       do
       :: left == 0 -> break
       :: left > 0 ->
          if
          :: cancelled == c -> left = 0
          :: atomic { n - read < SLOTS - 1 -> skip };                   /* there is room for a part */
             if :: atomic { number[at(n)] = n; attempt[at(n)] = a; is_last[at(n)] = 0; of_call[at(n)] = c; part[at(n)] = k;
                            n++; k++; left-- } or_die fi
          :: atomic { n - read >= SLOTS - 1 && released > read -> read = released }
          :: left = 0                                                   /* enough, or the client is slow */
          or_die
          fi
       od;
       if :: atomic { number[at(n)] = n; attempt[at(n)] = a; is_last[at(n)] = 1; of_call[at(n)] = c; part[at(n)] = k } or_die fi;
over:
       if :: state[t] = done or_die fi;
       atomic { t = 0; c = 0; n = 0; a = 0; i = 0; last = 0; left = 0; read = 0; k = 0; was_held = 0; last_is_last = 0 }
    od;
died:
    atomic { state[t] = orphan; t = 0; c = 0; n = 0; a = 0; i = 0; last = 0; left = 0; read = 0; k = 0; was_held = 0; last_is_last = 0;
             run server() }                                             /* another one comes */
}

/* When nothing moves any more, the client has had all its calls answered or given up. */
proctype judge()
{
end:
    atomic { timeout; assert(is_over) }
}

init
{
    atomic {
        run client();
        run server();
        if :: SERVERS == 2 -> run server() :: else fi;
        run judge()
    }
}
