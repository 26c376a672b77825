"""The loop of the compiled forest: every test of every tree on 32 rows at once, in LLVM's language.

The loop's text is the same for all models: compiling it takes a tenth of a second. What its tables
hold says `compiled_forest`.
"""

import ctypes
import re
from functools import cache
from typing import Any, NamedTuple

LANES = 32  # rows that are answered at once
_POINTER, _COUNT = ctypes.c_void_p, ctypes.c_int64
_ANSWER = ctypes.CFUNCTYPE(None, *[_POINTER] * 2, *[_COUNT] * 2, _POINTER, _COUNT, *[_POINTER] * 6)
_EXPONENTIAL = ctypes.CFUNCTYPE(None, _POINTER, _COUNT)

# Each unit is up to 64 leaves of a tree. Its tests come in three kinds: numbers that go left where
# they are missing, numbers that then go right, and levels. A value that goes right clears the
# leaves on the left: `keep` has the others.
_LOOP = """
%Number = type { double, i64, i64 }
%Levels = type { i64, i64, i64, i64 }
%Unit = type { i64, i64, i64, i64, i64, i64, i64 }

define void @answer(ptr %values, ptr %codes, i64 %stride, i64 %rows, ptr %units, i64 %unit_count,
                    ptr %left_tests, ptr %right_tests, ptr %level_tests, ptr %sets,
                    ptr %leaf_values, ptr %sums) {
start:
  %alive = alloca [32 x i64], align 64
  %leaf = alloca [32 x i64], align 64
  br label %block
block:
  %row = phi i64 [0, %start], [%row.next, %block.end]
  br label %unit
unit:
  %u = phi i64 [0, %block], [%u.next, %unit.end]
  %left.first = phi ptr [%left_tests, %block], [%left.end, %unit.end]
  %right.first = phi ptr [%right_tests, %block], [%right.end, %unit.end]
  %level.first = phi ptr [%level_tests, %block], [%level.end, %unit.end]
  %unit.at = getelementptr %Unit, ptr %units, i64 %u
  %leaves = load i64, ptr %unit.at
  %first_leaf.at = getelementptr %Unit, ptr %unit.at, i64 0, i32 1
  %first_leaf = load i64, ptr %first_leaf.at
  %output.at = getelementptr %Unit, ptr %unit.at, i64 0, i32 2
  %output = load i64, ptr %output.at
  %last.at = getelementptr %Unit, ptr %unit.at, i64 0, i32 3
  %last = load i64, ptr %last.at
  %left.count.at = getelementptr %Unit, ptr %unit.at, i64 0, i32 4
  %left.count = load i64, ptr %left.count.at
  %right.count.at = getelementptr %Unit, ptr %unit.at, i64 0, i32 5
  %right.count = load i64, ptr %right.count.at
  %level.count.at = getelementptr %Unit, ptr %unit.at, i64 0, i32 6
  %level.count = load i64, ptr %level.count.at
  %left.end = getelementptr %Number, ptr %left.first, i64 %left.count
  %right.end = getelementptr %Number, ptr %right.first, i64 %right.count
  %level.end = getelementptr %Levels, ptr %level.first, i64 %level.count
  %leaves.one = insertelement <32 x i64> poison, i64 %leaves, i64 0
  %leaves.all = shufflevector <32 x i64> %leaves.one, <32 x i64> poison, <32 x i32> zeroinitializer
  br label %left
left:
  %left.at = phi ptr [%left.first, %unit], [%left.next, %left.test]
  %left.alive = phi <32 x i64> [%leaves.all, %unit], [%left.kept, %left.test]
  %left.done = icmp eq ptr %left.at, %left.end
  br i1 %left.done, label %right, label %left.test
left.test:
  %left.next = getelementptr %Number, ptr %left.at, i64 1
  NUMBER(left, ogt)
  br label %left
right:
  %right.at = phi ptr [%right.first, %left], [%right.next, %right.test]
  %right.alive = phi <32 x i64> [%left.alive, %left], [%right.kept, %right.test]
  %right.done = icmp eq ptr %right.at, %right.end
  br i1 %right.done, label %level, label %right.test
right.test:
  %right.next = getelementptr %Number, ptr %right.at, i64 1
  NUMBER(right, ugt)
  br label %right
level:
  %level.at = phi ptr [%level.first, %right], [%level.next, %level.test]
  %level.alive = phi <32 x i64> [%right.alive, %right], [%level.kept, %level.test]
  %level.done = icmp eq ptr %level.at, %level.end
  br i1 %level.done, label %found, label %words
words:
  %level.next = getelementptr %Levels, ptr %level.at, i64 1
  %level.column.at = getelementptr %Levels, ptr %level.at, i64 0, i32 1
  %level.column = load i64, ptr %level.column.at
  %set.at = getelementptr %Levels, ptr %level.at, i64 0, i32 2
  %set = load i64, ptr %set.at
  %word.count.at = getelementptr %Levels, ptr %level.at, i64 0, i32 3
  %word.count = load i64, ptr %word.count.at
  %code.column = mul i64 %level.column, %stride
  %code.place = add i64 %code.column, %row
  %code.at = getelementptr i64, ptr %codes, i64 %code.place
  %code.all = load <32 x i64>, ptr %code.at, align 8
  br label %word
word:
  %w = phi i64 [0, %words], [%w.next, %word]
  %code = phi <32 x i64> [%code.all, %words], [%code.next, %word]
  %hit = phi <32 x i64> [zeroinitializer, %words], [%hit.next, %word]
  %word.place = add i64 %set, %w
  %word.at = getelementptr i64, ptr %sets, i64 %word.place
  %bits = load i64, ptr %word.at
  %bits.one = insertelement <32 x i64> poison, i64 %bits, i64 0
  %bits.all = shufflevector <32 x i64> %bits.one, <32 x i64> poison, <32 x i32> zeroinitializer
  %here = icmp ult <32 x i64> %code, splat (i64 64)
  %moved = lshr <32 x i64> %bits.all, %code
  %bit = select <32 x i1> %here, <32 x i64> %moved, <32 x i64> zeroinitializer
  %hit.next = or <32 x i64> %hit, %bit
  %code.next = sub <32 x i64> %code, splat (i64 64)
  %w.next = add i64 %w, 1
  %w.done = icmp eq i64 %w.next, %word.count
  br i1 %w.done, label %level.test, label %word
level.test:
  %level.keep = load i64, ptr %level.at
  %level.keep.one = insertelement <32 x i64> poison, i64 %level.keep, i64 0
  %level.keep.all = shufflevector <32 x i64> %level.keep.one, <32 x i64> poison,
                    <32 x i32> zeroinitializer
  %in = trunc <32 x i64> %hit.next to <32 x i1>
  %level.mask = select <32 x i1> %in, <32 x i64> splat (i64 -1), <32 x i64> %level.keep.all
  %level.kept = and <32 x i64> %level.alive, %level.mask
  br label %level
found:
  store <32 x i64> %level.alive, ptr %alive, align 64
  br label %lane
lane:
  %l = phi i64 [0, %found], [%l.next, %lane]
  %alive.at = getelementptr i64, ptr %alive, i64 %l
  %alive.one = load i64, ptr %alive.at
  %lowest = call i64 @llvm.cttz.i64(i64 %alive.one, i1 false)
  %leaf.new = add i64 %first_leaf, %lowest
  %leaf.at = getelementptr i64, ptr %leaf, i64 %l
  %leaf.old = load i64, ptr %leaf.at
  %none = icmp eq i64 %alive.one, 0
  %leaf.one = select i1 %none, i64 %leaf.old, i64 %leaf.new
  store i64 %leaf.one, ptr %leaf.at
  %l.next = add i64 %l, 1
  %l.done = icmp eq i64 %l.next, 32
  br i1 %l.done, label %lanes.end, label %lane
lanes.end:
  %more = icmp eq i64 %last, 0
  br i1 %more, label %unit.end, label %sum.first
sum.first:
  %output.column = mul i64 %output, %stride
  %sum.place = add i64 %output.column, %row
  %sums.here = getelementptr double, ptr %sums, i64 %sum.place
  br label %sum
sum:
  %s = phi i64 [0, %sum.first], [%s.next, %sum]
  %found.at = getelementptr i64, ptr %leaf, i64 %s
  %found.leaf = load i64, ptr %found.at
  %leaf.value.at = getelementptr double, ptr %leaf_values, i64 %found.leaf
  %leaf.value = load double, ptr %leaf.value.at
  %sum.at = getelementptr double, ptr %sums.here, i64 %s
  %sum.old = load double, ptr %sum.at
  %sum.new = fadd double %sum.old, %leaf.value
  store double %sum.new, ptr %sum.at
  %s.next = add i64 %s, 1
  %s.done = icmp eq i64 %s.next, 32
  br i1 %s.done, label %unit.end, label %sum
unit.end:
  %u.next = add i64 %u, 1
  %u.done = icmp eq i64 %u.next, %unit_count
  br i1 %u.done, label %block.end, label %unit
block.end:
  %row.next = add i64 %row, 32
  %rows.done = icmp uge i64 %row.next, %rows
  br i1 %rows.done, label %end, label %block
end:
  ret void
}

define void @exponential(ptr %values, i64 %count) {
start:
  %none = icmp eq i64 %count, 0
  br i1 %none, label %end, label %one
one:
  %n = phi i64 [0, %start], [%n.next, %one]
  %at = getelementptr double, ptr %values, i64 %n
  %value = load double, ptr %at
  %result = call double @exp(double %value)
  store double %result, ptr %at
  %n.next = add i64 %n, 1
  %done = icmp eq i64 %n.next, %count
  br i1 %done, label %end, label %one
end:
  ret void
}

declare i64 @llvm.cttz.i64(i64, i1)
declare double @exp(double)
"""
_NUMBER_TEST = """
  %KIND.threshold = load double, ptr %KIND.at
  %KIND.keep.at = getelementptr %Number, ptr %KIND.at, i64 0, i32 1
  %KIND.keep = load i64, ptr %KIND.keep.at
  %KIND.column.at = getelementptr %Number, ptr %KIND.at, i64 0, i32 2
  %KIND.column = load i64, ptr %KIND.column.at
  %KIND.start = mul i64 %KIND.column, %stride
  %KIND.place = add i64 %KIND.start, %row
  %KIND.values.at = getelementptr double, ptr %values, i64 %KIND.place
  %KIND.values = load <32 x double>, ptr %KIND.values.at, align 8
  %KIND.threshold.one = insertelement <32 x double> poison, double %KIND.threshold, i64 0
  %KIND.threshold.all = shufflevector <32 x double> %KIND.threshold.one, <32 x double> poison,
                        <32 x i32> zeroinitializer
  %KIND.goes = fcmp COMPARES <32 x double> %KIND.values, %KIND.threshold.all
  %KIND.keep.one = insertelement <32 x i64> poison, i64 %KIND.keep, i64 0
  %KIND.keep.all = shufflevector <32 x i64> %KIND.keep.one, <32 x i64> poison,
                   <32 x i32> zeroinitializer
  %KIND.mask = select <32 x i1> %KIND.goes, <32 x i64> %KIND.keep.all, <32 x i64> splat (i64 -1)
  %KIND.kept = and <32 x i64> %KIND.alive, %KIND.mask
"""


class Loop(NamedTuple):
    """The compiled functions; the engine holds their code."""

    answer: Any
    exponential: Any
    engine: Any


@cache
def compile_loop() -> Loop:
    """Compile for this very processor; ImportError without llvmlite."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=3
    )
    module = llvm.parse_assembly(write_loop())
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options())
    builder.getModulePassManager().run(module, builder)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    answer = _ANSWER(engine.get_function_address("answer"))
    exponential = _EXPONENTIAL(engine.get_function_address("exponential"))
    return Loop(answer, exponential, engine)


def write_loop() -> str:
    """Put both kinds of tests of numbers in their places."""
    return re.sub(
        r"NUMBER\((\w+), (\w+)\)",
        lambda found: _NUMBER_TEST.replace("KIND", found[1]).replace("COMPARES", found[2]),
        _LOOP,
    )
