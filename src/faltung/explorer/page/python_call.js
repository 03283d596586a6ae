// How is the same computed in Python? The call, as text to copy.

import { pythonOf } from "./kernel_descriptions.js";

// `each`: one kernel filters every channel by itself; several of them give outputs of shape (kernels, channels, ...).
// `kernels[out][in]` as the state describes them; `setting` as in `Problem`; `channels`: of the input; `ndim`: its axes.
export function pythonCall({ operation, kernels, setting, channels, ndim, each }) {
  const several = channels > 1 || kernels.length > 1;
  const banked = several && !each;
  const spatial = ndim === 2 ? "rows, columns" : "samples";
  const lines = ["import faltung as fa"];
  if (setting.kind === "transposed") lines.push("import numpy as np");
  lines.push("", `x = ...  # shape (${several ? `${channels}, ${spatial}` : ndim === 2 ? spatial : "samples,"})`);
  const name = (kernel) => (setting.kind === "causal" ? `causal(${pythonOf(kernel)})` : pythonOf(kernel));
  if (setting.kind === "causal") {
    lines.push("", "def causal(k):  # with its origin moved: no output needs a later sample",
      `    return fa.Kernel(k.taps, origin=${operation === "convolve" ? "0" : "len(k.taps) - 1"})`, "");
  }
  const rows = kernels.map((row) => (banked ? row.concat(Array(channels - row.length).fill(row.at(-1))) : row).map(name));
  const given = each ? ["axes=(1, 2)"] : several ? ["channel_axis=0"] : [];
  const call = setting.kind === "transposed" ? transposedLines(operation, setting, given, ndim) : [`y = fa.${operation}(x, k, ${plainOptions(setting, given).join(", ")})`];
  if (each && rows.length > 1) {
    lines.push("ys = []", `for k in (${rows.map(([kernel]) => kernel).join(", ")}):`, ...[...call, "ys.append(y)"].map((line) => `    ${line}`));
  } else {
    lines.push(banked ? `k = fa.Bank.stack([${rows.map((row) => `[${row.join(", ")}]`).join(", ")}])` : `k = ${rows[0][0]}`, ...call);
  }
  return lines.join("\n");
}

function plainOptions({ mode, cval, shape, stride, dilation }, given) {
  const options = [`mode="${mode}"`, ...given];
  if (mode === "constant" && cval !== 0) options.push(`cval=${cval}`);
  if (shape !== "same") options.push(`shape="${shape}"`);
  if (stride !== 1) options.push(`stride=${stride}`);
  if (dilation !== 1) options.push(`dilation=${dilation}`);
  return [...options, 'dtype="float64"'];
}

function transposedLines(operation, { stride, dilation, padding, outputPadding }, given, ndim) {
  const lengths = `[(n - 1) * ${stride} + ${1 + outputPadding} for n in x.shape[-${ndim}:]]`;
  const options = ['mode="constant"', 'shape="full"', ...given, ...(dilation === 1 ? [] : [`dilation=${dilation}`]), 'dtype="float64"'];
  const every = `${stride === 1 ? ":" : `::${stride}`}`;
  const places = outputPadding === 0 ? every : `:${-outputPadding}${stride === 1 ? "" : `:${stride}`}`;
  const lines = [`z = np.zeros([*x.shape[:-${ndim}], *${lengths}])`, `z[${["...", ...Array(ndim).fill(places)].join(", ")}] = x  # zeros between the samples`,
    `y = fa.${operation}(z, k, ${options.join(", ")})`];
  return padding === 0 ? lines : [...lines, `y = y[${["...", ...Array(ndim).fill(`${padding}:${-padding}`)].join(", ")}]`];
}
