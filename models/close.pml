/* The end of a channel: close, claims that race with it, consumers that conclude, a newcomer that opens it again.
 *
 * What the rings have in common: a claim is made visible, then `closed` is asked, then the message is published; the spsc
 * ring notes the claim in the producer's seat, the mpmc ring in its tail. The producer's stores leave its store buffer in
 * order and at any time later; a barrier, membarrier(2) of a consumer or a fence of its own, empties it. Consumers take
 * messages, hold them and release them; one that dies holding a message leaves it to the others.
 *
 * Sizes: MESSAGES, C consumers, DEATHS; OPENERS newcomers that may fail. FENCE_MODE: no membarrier.
 */
#ifndef MESSAGES
#define MESSAGES 2
#endif
#ifndef C
#define C 1
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef OPENERS
#define OPENERS 0
#endif

bool closed, must_open;                 /* shared; must_open: a newcomer that did not fail has sat down */
byte claimed, published;                /* shared: up to here */
byte taken, held, left;                 /* by consumers: handed out; in hands; left by the dead, to be delivered again */
bool producer_lives = true;

byte stands, delivered;                 /* the judge's: claims that were told to be good; releases */
byte told;                              /* consumers that were told `closed`, since it was last opened */
byte told_ever, deaths = DEATHS, consumers_alive = C;

mtype = { claim_is, published_is };
chan buffer = [4] of { mtype, byte };   /* the producer's stores that others do not see yet */
inline apply(kind, v) { if :: kind == claim_is -> claimed = v :: else -> published = v fi }
inline empty_buffer(kind, v) { do :: buffer?kind, v -> apply(kind, v) :: empty(buffer) -> break od }

proctype store_buffer()
{
    mtype kind; byte v;
end:
    do :: atomic { buffer?kind, v -> apply(kind, v) } od
}

proctype producer()
{
    mtype kind; byte v, n;
    do
    :: n == MESSAGES -> break
    :: n < MESSAGES ->
       if
       :: atomic { closed -> break }                            /* refused; asked before as well: no needless holes */
       :: atomic { !closed }
       :: atomic { deaths > 0 -> deaths--; goto died }
       fi;
       if
       :: atomic { buffer!claim_is, n + 1 }
       :: atomic { deaths > 0 -> deaths--; goto died }
       fi;
#if defined(FENCE_MODE) && !defined(MUTANT_NO_FENCE)
       atomic { empty_buffer(kind, v) };
#endif
       if
#ifndef MUTANT_CHECK_BEFORE_ONLY
       :: atomic { closed -> buffer!claim_is, n; break }        /* abandoned */
       :: atomic { !closed -> assert(told == 0); stands++ }     /* from here on it must be delivered before `closed` */
#else
       :: atomic { assert(told == 0); stands++ }
#endif
       :: atomic { deaths > 0 -> deaths--; goto died }
       fi;
       if
       :: atomic { buffer!published_is, n + 1; n++ }
       :: atomic { deaths > 0 -> deaths--; stands--; goto died }   /* claimed, never published: void */
       fi
    od;
    goto finished;
died:
    atomic { empty_buffer(kind, v); producer_lives = false };   /* a kill is precise: its stores are performed */
#if C > 1
    atomic { claimed = published };                             /* mended */
#endif
finished:
    skip
}

/* The one consumer of an spsc ring judges the producer's life; in an mpmc ring a dead claim is mended first. */
#if C == 1
#define claim_open (claimed > taken && producer_lives)
#else
#define claim_open (claimed > taken)
#endif
#define room_to_take (published > taken || left > 0)
#ifdef MUTANT_CLOSED_WHILE_HELD
#define nothing_held true
#else
#define nothing_held (held == 0)
#endif

proctype consumer()
{
    mtype kind; byte v;
end_look:
look:
    if
    :: atomic { left > 0 -> left--; held++ }
    :: atomic { left == 0 && published > taken -> taken++; held++ }
    :: atomic { closed && !room_to_take && !claim_open && nothing_held -> goto conclude }
    fi;
    if
    :: atomic { held--; delivered++; goto look }
    :: atomic { deaths > 0 && consumers_alive > 1 -> deaths--; consumers_alive--; held--; left++; goto died }
    fi;
conclude:
#if !defined(FENCE_MODE) && !defined(MUTANT_NO_BARRIER)
    atomic { empty_buffer(kind, v) };
#endif
#ifdef MUTANT_LOOK_BEFORE_VERDICT
    if :: atomic { room_to_take -> goto look } :: atomic { !room_to_take } fi;
    if :: atomic { claim_open -> goto look } :: atomic { !claim_open } fi;
#else
    if :: atomic { claim_open -> goto look } :: atomic { !claim_open } fi;
    if :: atomic { !nothing_held -> goto look } :: atomic { nothing_held } fi;
    if :: atomic { room_to_take -> goto look } :: atomic { !room_to_take } fi;
#endif
    atomic {
        if
        :: closed ->                                            /* opened meanwhile: as if just after the verdict */
           assert(delivered == stands);
           told++
        :: else
        fi;
        told_ever++
    };
died:
    skip
}

proctype closer()
{
    closed = true
}

proctype opener()
{
#ifdef MUTANT_OPENED_BY_ONE_THAT_FAILS
    atomic { closed = false; told = 0 };
#endif
    if
    :: true                                                     /* what it finds is refused: it throws */
    :: atomic { closed = false; told = 0; must_open = true }
    fi
}

proctype judge()
{
end:
    atomic {
        timeout;
        assert(must_open || told_ever == consumers_alive);      /* a channel that stays closed has an end */
    }
}

init
{
    byte k;
    atomic {
        run judge(); run store_buffer(); run producer(); run closer();
        do :: k < C -> run consumer(); k++ :: k == C -> k = 0; break od;
        do :: k < OPENERS -> run opener(); k++ :: k == OPENERS -> break od
    }
}
