"""The Trainer of transformers with `report_to="wandb"`, five times, with a tiny network that is made here."""

import json
import tempfile

import torch
import wandb
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

RUNS = {
    "small": {},
    "hot": {"learning_rate": 1e-2},
    "hot-again": {"learning_rate": 1e-2, "seed": 7},
    "decayed": {"learning_rate": 1e-2, "weight_decay": 0.1},
    "broken": {"learning_rate": 1e-2, "max_grad_norm": 0.5},
}

rows = [
    {"input_ids": torch.arange(4) + place % 2, "attention_mask": torch.ones(4, dtype=torch.long), "labels": place % 2}
    for place in range(16)
]
told = {}
for name, settings in RUNS.items():
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    arguments = TrainingArguments(
        output_dir=tempfile.mkdtemp(dir="."),
        run_name=name,
        report_to="wandb",
        num_train_epochs=2,
        per_device_train_batch_size=4,
        logging_steps=2,
        eval_strategy="epoch",
        save_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
        **settings,
    )
    trainer = Trainer(
        model=BertForSequenceClassification(BertConfig(vocab_size=32, **shape)),
        args=arguments,
        train_dataset=rows[: 6 if name == "broken" else 16],
        eval_dataset=rows,
    )
    trainer.train()
    told[name] = trainer.state.log_history
    wandb.finish(exit_code=1 if name == "broken" else 0)
print(json.dumps(told))
