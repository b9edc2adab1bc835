"""Write a tiny `llama` model with random weights, for tests against a real llama.cpp server.

    python tests/llama_model.py OUT.gguf

It needs `gguf` and `numpy`, which nothing else does: .ci/run has them beside the server. The model speaks
nonsense, thousands of tokens a second, loads in an instant, and has a ChatML template. A token is a letter, a
byte, or one of a few words.
"""

from __future__ import annotations

import string
import sys

import gguf
import numpy

EMBEDDING, HEADS, FEED, BLOCKS, CONTEXT = 32, 4, 64, 2, 131_072
COMMON = ("the", "and", "rain", "sea", "lamp", "oil", "harbour", "bell", "Mira", "you")
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6
"""Kinds of tokens, as the format numbers them."""


def vocabulary() -> list[tuple[str, int]]:
    """Tokens with their kinds; every byte is one, so that any text can be written."""
    special = [("<unk>", UNKNOWN), ("<s>", CONTROL), ("</s>", CONTROL)]
    octets = [(f"<0x{byte:02X}>", BYTE) for byte in range(256)]
    spoken = ["\u2581", *(f"\u2581{word}" for word in COMMON), *string.ascii_letters, *".,!?'\"-"]
    return [*special, *octets, *((token, NORMAL) for token in spoken)]


def write(path: str) -> None:
    tokens = vocabulary()
    model = gguf.GGUFWriter(path, "llama")
    model.add_name("tiny")
    model.add_context_length(CONTEXT)
    model.add_embedding_length(EMBEDDING)
    model.add_feed_forward_length(FEED)
    model.add_block_count(BLOCKS)
    model.add_head_count(HEADS)
    model.add_head_count_kv(HEADS)
    model.add_rope_dimension_count(EMBEDDING // HEADS)
    model.add_layer_norm_rms_eps(1e-5)
    model.add_vocab_size(len(tokens))
    model.add_tokenizer_model("llama")
    model.add_token_list([token for token, _ in tokens])
    model.add_token_scores([-float(place) for place, _ in enumerate(tokens)])
    model.add_token_types([kind for _, kind in tokens])
    model.add_unk_token_id(0)
    model.add_bos_token_id(1)
    model.add_eos_token_id(2)
    model.add_chat_template(CHAT)
    chance = numpy.random.default_rng(7)

    def weights(name: str, *shape: int) -> None:
        model.add_tensor(name, chance.normal(0, 0.2, shape).astype(numpy.float32))

    weights("token_embd.weight", len(tokens), EMBEDDING)
    weights("output.weight", len(tokens), EMBEDDING)
    model.add_tensor("output_norm.weight", numpy.ones(EMBEDDING, numpy.float32))
    for block in range(BLOCKS):
        for name in ("attn_norm", "ffn_norm"):
            model.add_tensor(f"blk.{block}.{name}.weight", numpy.ones(EMBEDDING, numpy.float32))
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            weights(f"blk.{block}.{name}.weight", EMBEDDING, EMBEDDING)
        weights(f"blk.{block}.ffn_gate.weight", FEED, EMBEDDING)
        weights(f"blk.{block}.ffn_up.weight", FEED, EMBEDDING)
        weights(f"blk.{block}.ffn_down.weight", EMBEDDING, FEED)
    model.write_header_to_file()
    model.write_kv_data_to_file()
    model.write_tensors_to_file()
    model.close()


if __name__ == "__main__":
    write(sys.argv[1])
