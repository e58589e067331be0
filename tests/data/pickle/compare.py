# Reads names and pairs of pickles from the file argv[1], and says how many pairs load as the same.
# argv[2] is a file of classes that are imported as `sample`.
import copyreg
import importlib.util
import pickle
import struct
import sys

spec = importlib.util.spec_from_file_location("sample", sys.argv[2])
sample = importlib.util.module_from_spec(spec)
sys.modules["sample"] = sample
spec.loader.exec_module(sample)
copyreg.add_extension("sample", "Extended", 0x1234)

with open(sys.argv[1], "rb") as file:
    data = file.read()
parts, at = [], 0
while at < len(data):
    (length,) = struct.unpack_from("<I", data, at)
    parts.append(data[at + 4:at + 4 + length])
    at += 4 + length

equal = 0
for name, ours, theirs in zip(*[iter(parts)] * 3):
    try:
        ours_again, theirs_again = (pickle.dumps(pickle.loads(one), 5) for one in (ours, theirs))
    except Exception as error:
        sys.exit(f"{name.decode()}: {error!r} of {ours[:200]!r}")
    if ours_again != theirs_again:
        sys.exit(f"{name.decode()}: {ours[:300]!r} is not {theirs[:300]!r}")
    equal += 1
print(equal, "equal")
