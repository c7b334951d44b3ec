/* Park and wake of the SPSC ring under x86 total store order: both sides may park, and the consumer's copy is lazy.
 *
 * Every store of either side goes through its store buffer, first in, first out; loads read the own buffer first, then
 * memory. A read-modify-write drains the own buffer, membarrier drains both. The consumer stores its exact progress at
 * every release and the copy only at every LAZY-th. No side dies here; time passes only when nothing else can move, so
 * a state in which nothing moves before all is consumed is a lost wake.
 *
 * Sizes: N slots, MESSAGES, LAZY releases per copy, DEPTH of a store buffer.
 */
#ifndef N
#define N 2
#endif
#ifndef MESSAGES
#define MESSAGES 4
#endif
#ifndef LAZY
#define LAZY 3
#endif
#ifndef DEPTH
#define DEPTH 2
#endif

byte published;                         /* in memory: how many slots have been published */
byte progress, copy;                    /* in memory: the consumer's exact progress, and its lazy copy */
bool parked_producer, parked_consumer;
byte futex_producer, futex_consumer;
bool asleep_producer, asleep_consumer;
byte sent, consumed;                    /* as their own sides see them: buffers included */

mtype:what = { publish_store, progress_store, copy_store };
chan of_producer = [DEPTH] of { mtype:what, byte };
chan of_consumer = [DEPTH] of { mtype:what, byte };

inline to_memory(buffer)
{
    if
    :: buffer ? publish_store(value)  -> published = value
    :: buffer ? progress_store(value) -> progress = value
    :: buffer ? copy_store(value)     -> copy = value
    fi;
    value = 0
}
#define drain(buffer) do :: nempty(buffer) -> to_memory(buffer) :: empty(buffer) -> break od

/* The hardware. */
proctype flusher()
{
    byte value;
end:
    do
    :: atomic { nempty(of_producer) -> to_memory(of_producer) }
    :: atomic { nempty(of_consumer) -> to_memory(of_consumer) }
    od
}

inline wake(own, parked, futex, asleep)
{
#ifdef FENCE_MODE
#ifndef MUTANT_NO_FENCE
    atomic { drain(own) };
#endif
#endif
    if
    :: atomic { !parked }                                       /* may overtake the store before it */
    :: atomic { parked -> drain(own); parked = false };
       atomic { drain(own); futex++ };
       atomic { asleep = false }
    fi
}

/* LOOKS is what the side looks at once more between the barrier and the sleep. */
inline park(own, parked, futex, asleep, LOOKS)
{
    seen = futex;
    atomic { drain(own); parked = true };
#if !defined(FENCE_MODE) && !defined(MUTANT_NO_MEMBARRIER)
    atomic { drain(of_producer) };
    atomic { drain(of_consumer) };
#endif
    if
    :: atomic { LOOKS }
    :: atomic { !(LOOKS) };
       if
       :: atomic { futex == seen -> asleep = true };
          !asleep
       :: atomic { futex != seen }
       fi
    fi;
    atomic { drain(own); parked = false; seen = 0 }
}

#ifdef MUTANT_PRODUCER_LOOKS_AT_COPY
#define room (sent - copy < N)
#else
#define room (sent - progress < N)
#endif

proctype producer()
{
    byte value, seen, polled;           /* polled: the last copy that was read */
    do
    :: sent == MESSAGES -> break
    :: sent < MESSAGES ->
       if
       :: sent - polled < N
       :: sent - polled >= N ->
          atomic { polled = copy };
          if
          :: sent - polled < N
          :: sent - polled >= N ->                              /* full by the copy: the exact progress decides */
#ifndef MUTANT_PRODUCER_LOOKS_AT_COPY
             atomic { polled = progress };
#endif
             if
             :: sent - polled < N
             :: sent - polled >= N ->
                park(of_producer, parked_producer, futex_producer, asleep_producer, room)
             fi
          fi
       fi;
       if
       :: atomic { sent - polled < N && nfull(of_producer) -> sent++; of_producer ! publish_store(sent) };
          wake(of_producer, parked_consumer, futex_consumer, asleep_consumer)
       :: sent - polled >= N
       fi
    od
}

proctype consumer()
{
    byte value, seen;
    do
    :: consumed == MESSAGES -> break
    :: consumed < MESSAGES ->
       if
       :: atomic { published > consumed };
          atomic { nfull(of_consumer) -> consumed++; of_consumer ! progress_store(consumed) };
          if
          :: consumed % LAZY == 0 ->
             atomic { nfull(of_consumer) -> of_consumer ! copy_store(consumed) }
          :: else
          fi;
#ifdef MUTANT_WAKE_AT_COPY
          if
          :: consumed % LAZY == 0 -> wake(of_consumer, parked_producer, futex_producer, asleep_producer)
          :: else
          fi
#else
          wake(of_consumer, parked_producer, futex_producer, asleep_producer)
#endif
       :: atomic { published <= consumed };
          park(of_consumer, parked_consumer, futex_consumer, asleep_consumer, (published > consumed))
       fi
    od
}

proctype judge()
{
end:
    atomic { timeout; assert(consumed == MESSAGES && sent == MESSAGES) }
}

init
{
    atomic { run judge(); run flusher(); run producer(); run consumer() }
}
