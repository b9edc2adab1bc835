"""The laboratory: the same turns with other models, presets, seeds, books, and what became of them.

experiment       what a file asks for            experiment_file  a TOML file, read
variant_inputs   a turn as one variant has it    result_keys      what a result depends on
reply_checks     what a reply is held to         runs             does it all, and keeps each result
comparing        two results beside each other
"""
