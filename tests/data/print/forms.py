"""Values of libraries whose `repr` is in their pickles: a pickle in base64, a tab, the `repr` as JSON, on one line."""
import array, base64, collections, datetime, functools, ipaddress, json, operator, pathlib, pickle, random, re, sys, time
import types, zoneinfo

import dateutil.tz
import numpy as np
import pandas as pd
import pytz

random.seed(11)
np.set_printoptions(linewidth=10**6)
FLAGS = [re.I, re.M, re.S, re.X, re.A, re.I | re.M, re.ASCII | re.DOTALL | re.VERBOSE, 0]


def standard():
    yield types.SimpleNamespace()
    yield types.SimpleNamespace(a=1, b=[types.SimpleNamespace(c='d')])
    yield collections.ChainMap({}, {'a': 1})
    yield functools.partial(int, '10', base=2)
    yield functools.partial(dict, a=1)
    yield from (operator.itemgetter(0), operator.itemgetter('a', 1))
    yield from (ValueError(), KeyError('k'), OSError('x'), ExceptionGroup('g', [ValueError(1), TypeError('t', None)]))
    for flags in FLAGS:
        yield re.compile("a'b\\d", flags)
        yield re.compile(b'x\n', flags)
    for cls in (pathlib.PurePosixPath, pathlib.PosixPath):
        yield from map(cls, ['', '/', '//a', '/a/b', 'a', "it's/é", 'a/../b', '/a b/c.tar.gz'])
    yield from map(pathlib.PureWindowsPath, ['', 'C:\\', 'C:\\a\\b', '\\\\srv\\share\\x', 'a\\b', 'C:a'])
    for n in [0, 1, 2**31, 2**32 - 1]:
        yield ipaddress.IPv4Address(n)
    for n in [0, 1, 2**127, 2**128 - 1, 0x20010db8 << 96, 0xffff01020304, (1 << 112) + 1, 1 << 16, (1 << 96) + (1 << 32)]:
        yield ipaddress.IPv6Address(n)
    yield from (ipaddress.ip_network('10.0.0.0/8'), ipaddress.ip_interface('::1/64'), ipaddress.ip_network('::/0'))
    yield from (time.gmtime(0), time.gmtime(1e9))
    for code in 'bBhHiIlLqQ':
        yield array.array(code)
        yield array.array(code, [0, 1, 127])
    yield from (array.array('d', [1.5, -0.0, 1e300]), array.array('f', [0.1, 2]), array.array('h', [-1, -300]))
    yield from (slice(None), slice(1, 'a', None))


def zones():
    zones = [dateutil.tz.tzutc(), dateutil.tz.tzoffset('x', 3600), dateutil.tz.tzoffset(None, -5400), pytz.UTC]
    zones += [pytz.FixedOffset(60), pytz.timezone('Etc/GMT+1')]
    for zone in zones[:4] + zones[5:]:
        yield zone
        yield datetime.datetime(2024, 2, 29, 12, tzinfo=zone)
    for name in ['Europe/Berlin', 'America/New_York', 'Asia/Kolkata']:
        zone = pytz.timezone(name)
        yield from (zone, zone.localize(datetime.datetime(2024, 7, 1)), zone.localize(datetime.datetime(1850, 1, 1)))
    yield zoneinfo.ZoneInfo('Europe/Berlin')


def numbers(dtype):
    kind = np.dtype(dtype).kind
    if kind == 'c':
        yield from ([1 + 2j], [1, 2j], [-1.5 - .5j, 0], [1e10 + 1j, 1], [complex(np.nan, 1), 2], [complex(1, np.inf), 1e-9j])
        yield from ([complex(-np.inf, -np.inf), 1j], [complex(-0., 2)], [complex(0, -0.)], [1 / 3 + 2j / 3, 1000.25])
        for _ in range(40):
            size = random.choice([1e-3, 1, 100, 1e7, 1e12])
            yield [complex(random.random() * size, random.randrange(-100, 100) / 8) for _ in range(random.randrange(1, 5))]
    elif dtype == 'f2':
        yield from ([0.1, 65504], [6e-8], [-0.0, 1.5], [np.nan, np.inf, -np.inf], [0.333], [1e-5, 1], [2048.5, 3])
        yield from (np.arange(start, start + 6, dtype='u2').view('f2').tolist() for start in range(0, 31744, 997))
    elif kind == 'f':
        yield from ([0.0], [1.5, 2.25], [1e8, 1.0], [1e-5, 1.0], [0.001, 1.5], [1.0, 1001.5], [-1.5, 2.0], [1e300, 1.0])
        yield from ([np.nan, 1.0], [np.inf, -np.inf, 0.5], [np.nan], [-np.inf, 1.25e-9], [1 / 3, 2 / 3], [123456.789] * 3)
        yield from ([-0.0, 0.0], [1e16], [12345678.9], [99999999.5], [0.1 + 0.2], [1e-300], [np.inf, 1e20], [100.0, 0.1])
        for _ in range(60):
            size = random.choice([1e-3, 1, 100, 1e7, 1e12])
            yield [random.choice([random.random() * size, random.randrange(100) / 8]) for _ in range(random.randrange(1, 6))]
    elif kind in 'iu':
        least = np.iinfo(dtype).min
        yield from ([0], [least, np.iinfo(dtype).max], [1, 22, 100], list(range(12)))
    elif kind == 'b':
        yield from ([True], [True, False])
    elif kind == 'M':
        yield from (['2024-02-29'], ['1969-12-31T23:59:59', '2024-02-29'], ['NaT', '2024-02-29'], ['0002-01-01'])
    elif kind == 'm':
        yield from ([1, -2], [0], ['NaT', 100])
    elif kind == 'U':
        yield from (['ab', "it's"], ['é\n', ''], [''])
    else:
        yield from ([b'ab', b'c\0d'], [b''])


DTYPES = ['b1', 'i1', 'i2', 'i4', 'i8', 'u1', 'u2', 'u4', 'u8', 'f2', 'f4', 'f8', 'c8', 'c16', '>i4', '>f8', '>c16', '>f2', 'U4', 'S4']
DTYPES += [f'{kind}8[{unit}]' for kind in 'Mm' for unit in ['Y', 'M', 'W', 'D', 'h', 'm', 's', 'ms', 'us', 'ns']]


RECORDS = [[('a', '<i4'), ('b', '<f8')], [('n', '<U3'), ('p', '<i2', (2,)), ('q', 'i1', (2, 3))], [("it's", '?')]]
RECORDS += [[('s', 'S3'), ('u', 'u1'), ('t', '<M8[D]'), ('c', '>c16')], [('in', [('x', '<f4'), ('y', '>f2')]), ('z', 'i1')]]


def arrays():
    for dtype in DTYPES:
        if 'ns' in dtype:
            values = [['2024-02-29T12:00:00.5', 'NaT']] if dtype[0] == 'M' else [[1, -2]]
        else:
            values = numbers(dtype)
        for items in values:
            with np.errstate(all='ignore'):
                a = np.array(items, dtype=dtype)
            yield from (a, a.reshape(1, -1), np.array([a, a]), np.asfortranarray([a, a[::-1]]), a[:1].reshape(()))
            yield a[0] if np.dtype(dtype).isnative else np.dtype(dtype)
        yield from (np.zeros(0, dtype), np.zeros((0, 3), dtype), np.zeros((2, 2, 2), dtype), np.dtype(dtype))
    yield np.array([1, 'a', None, (1, 2)], dtype=object)
    yield from map(np.dtype, RECORDS)
    for shape in ((2, 3), (3, 2, 1), (1, 1, 6)):
        a = np.array([1, 'a', None, 2.5, b'x', 'é'], dtype=object).reshape(shape)
        yield from (a, np.asfortranarray(a))


def times():
    for text in ['2024-02-29 12:00:00', '1970-01-01', '2024-02-29 12:00:00.5', '2024-02-29 12:00:00.000000001', '1677-10-01']:
        yield from (pd.Timestamp(text), pd.Timestamp(text, tz='UTC'), pd.Timestamp(text).tz_localize(datetime.timezone(datetime.timedelta(hours=2.5))))
    yield from (pd.NaT, pd.Timedelta('1 days 00:00:02'), pd.Timedelta(0), pd.Timedelta(-1), pd.Timedelta('-1h'))
    yield from (pd.Timedelta('1s').as_unit('s'), pd.Timedelta(days=-3, milliseconds=7))


def tables():
    """Pandas' tables and indexes, small and large, and of every kind of column."""
    n = 5000
    stamps = pd.date_range('2024-01-01', periods=3)
    yield from (pd.RangeIndex(5), pd.RangeIndex(9, 0, -2, name='r'), pd.Index([1, 2], name='it\'s'), pd.Index(['a', 'b']))
    yield from (pd.Index([0.5]), stamps, stamps.tz_localize('UTC'), pd.to_timedelta([1], unit='s'), pd.Index([]))
    yield from (pd.date_range('2024', periods=2, tz='Europe/Berlin'), pd.period_range('2024-01', periods=2, freq='M'))
    yield from (pd.MultiIndex.from_tuples([(1, 'a'), (2, 'b')]), pd.CategoricalIndex(['a', 'b']))
    yield from (pd.Categorical(['a', 'b', 'a']), pd.Series([1.5, 2.5], name='s'), pd.Series(['x', None]))
    yield from (pd.Series([1, 2], name=7, dtype='int8'), pd.Series(['a'], dtype='category'), pd.Series(stamps))
    yield from (pd.Series([1, None], dtype='Int64'), pd.Series([1.5], dtype='Float32'), pd.Series([True], dtype='boolean'))
    yield from (pd.Series([1], dtype='UInt8'), pd.Series(range(n)), pd.Series([], dtype=float))
    yield pd.DataFrame({'a': [1, 2, 3], 'b': ['x', 'y', 'z']})
    yield pd.DataFrame({'a': [1], 'b': [.5], 'c': [2], 'd': [True], 'e': stamps[:1], 'f': pd.Categorical(['u'])})
    yield from (pd.DataFrame(), pd.DataFrame(np.zeros((n, 3))), pd.DataFrame({'a': []}), pd.DataFrame(index=[1, 2]))
    yield from (pd.DataFrame(np.zeros((2, 40))), pd.DataFrame({1: [1], 2: [2]}), pd.DataFrame({'x' * 99: [1]}))
    yield pd.DataFrame({'v': [1, 2]}, index=stamps[:2])


def summed_up(value):
    """The class, shape and dtypes of a table, as `name=` where it has a short one."""
    def name(label):
        return repr(label.item() if hasattr(label, 'item') else label)

    def named(label):
        return '' if label is None else f', name={name(label)}'
    shape, cls = value.shape, type(value).__name__
    if cls == 'RangeIndex':
        return f'RangeIndex(start={value.start}, stop={value.stop}, step={value.step}{named(value.name)})'
    if cls != 'DataFrame':
        return f'pandas.{cls}(shape={shape}, dtype={value.dtype}{named(getattr(value, "name", None))})'
    if shape[1] > 16 or any(len(str(label)) > 64 for label in value.columns):
        return f'pandas.DataFrame(shape={shape})'
    dtypes = ', '.join(f'{name(label)}: {dtype}' for label, dtype in value.dtypes.items())
    return f'pandas.DataFrame(shape={shape}, dtypes={{{dtypes}}})'


def expected(value):
    """What differs from `repr` on purpose: numpy breaks lines; pytz's fixed offsets keep their module."""
    return re.sub(r'\n *', ' ', re.sub(r'\n\n *', ' ', repr(value)))


def show(protocol):
    for family in (standard, zones, arrays, times):
        for value in family():
            stored = base64.b64encode(pickle.dumps(value, protocol)).decode()
            print(stored, json.dumps(expected(pickle.loads(base64.b64decode(stored)))), sep='\t')


def show_tables(protocol):
    for value in tables():
        print(base64.b64encode(pickle.dumps(value, protocol)).decode(), json.dumps(summed_up(value)), sep='\t')


def show_json():
    for dtype in ['b1', 'i2', 'u8', 'f2', 'f8', 'U4']:
        for items in numbers(dtype):
            a = np.array(items, dtype=dtype)
            if a.dtype.kind != 'f' or np.isfinite(a).all():
                for a in (a, np.array([a, a]), np.asfortranarray([a, a[::-1]]), a[:1].reshape(()), a[0]):
                    show_plain(a)
    a = np.array([1, 'a', None, 2.5, True, 'é'], dtype=object)
    for shape in ((2, 3), (3, 2, 1), (1, 1, 6)):
        show_plain(a.reshape(shape))


def show_plain(array):
    print(base64.b64encode(pickle.dumps(array, 5)).decode(), json.dumps(json.dumps(array.tolist(), ensure_ascii=False)), sep='\t')
