"""A cache that threads share: what it keeps, what it drops, and that threads do no harm to it."""

from __future__ import annotations

import gc
import random
import sys
import threading

from faltung.ground import bounded
from faltung.ground.bounded import Bounded


def test_the_least_recently_used_value_is_dropped():
    cache = Bounded(most=3)
    for key in "abc":
        assert cache.put(key, key * 2, 1) == key * 2
    assert cache.get("a") == "aa"
    cache.put("d", "dd", 1)
    assert [cache.get(key) for key in "abcd"] == ["aa", None, "cc", "dd"]
    assert len(cache) == 3


def test_the_bytes_of_all_values_are_bounded():
    cache = Bounded(most=100, most_bytes=10)
    cache.put("a", 1, 4)
    cache.put("b", 2, 4)
    assert cache.bytes == 8
    cache.put("c", 3, 4)
    assert (cache.get("a"), cache.get("b"), cache.get("c"), cache.bytes) == (None, 2, 3, 8)


def test_a_value_that_is_put_again_counts_once():
    cache = Bounded(most=100, most_bytes=10)
    cache.put("a", 1, 6)
    cache.put("a", 2, 8)
    assert (cache.get("a"), len(cache), cache.bytes) == (2, 1, 8)


def test_a_value_larger_than_the_cache_is_kept_alone():
    cache = Bounded(most=100, most_bytes=10)
    cache.put("small", 0, 4)
    assert cache.put("a", 1, 11) == 1
    assert (cache.get("small"), cache.get("a"), len(cache), cache.bytes) == (None, 1, 1, 11)
    cache.put("small", 0, 4)
    assert (cache.get("small"), cache.get("a"), cache.bytes) == (0, None, 4)


def test_clear_drops_everything():
    cache = Bounded(most=3)
    cache.put("a", 1, 5)
    cache.clear()
    assert (cache.get("a"), len(cache), cache.bytes) == (None, 0, 0)


def test_a_value_is_made_once_and_weighed():
    cache, made = Bounded(most=3, most_bytes=100), []

    def make():
        made.append(1)
        return "value"

    assert [cache.get_or_make("a", make, len) for _ in range(3)] == ["value"] * 3
    assert (len(made), cache.bytes) == (1, 5)


def test_a_value_made_while_the_cache_is_cleared_is_not_kept():
    cache = Bounded(most=3)

    def make():
        cache.clear()  # as another thread may
        return "old"

    assert cache.get_or_make("a", make, len) == "old"
    assert cache.get("a") is None


def test_a_value_may_use_the_cache_when_it_is_dropped():
    cache = Bounded(most=1)

    class Value:
        def __del__(self):
            cache.put("last", 1, 1)

    cache.put("a", Value(), 1)
    cache.put("b", 2, 1)
    assert cache.get("last") == 1


def test_threads_share_a_cache():
    """Keys whose comparison is Python code let another thread in at any moment."""
    cache, wrong = Bounded(most=8, most_bytes=200), []

    class Key:
        def __init__(self, number):
            self.number = number

        def __hash__(self):
            return self.number % 4

        def __eq__(self, other):
            return self.number == other.number

    def work(seed):
        draw = random.Random(seed)
        try:
            for _ in range(2000):
                number = draw.randrange(20)
                if draw.random() < 0.02:
                    cache.clear()
                value = cache.get_or_make(Key(number), lambda number=number: [number], lambda value: 10 * value[0])
                kept = cache.get(Key(number))
                if value != [number] or kept not in (None, [number]) or len(cache) > 9:
                    wrong.append(number)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    for number in range(8):
        cache.put(Key(number), [number], 10 * number)  # what two threads put at once counts from now on
    assert len(cache) <= 8
    assert cache.bytes <= 200 + 8 * 70


def test_what_an_interrupted_thread_leaves_behind_locks_nobody_out():
    """An exception may come between any two steps: each step of a put is made the last one."""
    steps, made = [], [0]

    def interrupt(frame, event, argument):
        if frame.f_code.co_filename != bounded.__file__:
            return None
        if event == "line":
            steps.append(frame.f_lineno)
            if len(steps) == made[0]:
                raise KeyboardInterrupt
        return interrupt

    while made[0] < 200:
        made[0] += 1
        cache = Bounded(most=3, most_bytes=10)
        for key in "abc":
            cache.put(key, key, 3)
        steps.clear()
        sys.settrace(interrupt)
        try:
            cache.put("d", "d", 3)
        except KeyboardInterrupt:
            pass
        else:
            break
        finally:
            sys.settrace(None)
        for key in "efg":
            cache.put(key, key, 3)
        assert [cache.get(key) for key in "efg"] == ["e", "f", "g"]
        assert cache.bytes == 9
    assert 10 < made[0] < 200


def test_all_caches_are_bounded_together(monkeypatch):
    monkeypatch.setattr(bounded, "_every", {})
    monkeypatch.setattr(bounded, "_added", bounded._Added())
    monkeypatch.setattr(bounded, "TOGETHER", 800)
    caches = [Bounded(most=100, most_bytes=800) for _ in range(3)]
    for number in range(300):
        for cache in caches:
            cache.put(number, number, 10)
        assert caches[0].get(0) == 0  # it is used again and again
        assert bounded.held_bytes() <= 800
    assert all(cache.get(299) == 299 for cache in caches)
    assert bounded.held_bytes() > 600
    del caches, cache
    gc.collect()
    assert bounded.held_bytes() == 0
    assert not bounded._every
