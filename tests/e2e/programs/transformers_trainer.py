"""The Trainer of transformers with `report_to="wandb"` and a tiny network that is made here."""

import json

import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

torch.manual_seed(0)
network = BertForSequenceClassification(
    BertConfig(vocab_size=32, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
)
rows = [
    {"input_ids": torch.arange(4) + place % 2, "attention_mask": torch.ones(4, dtype=torch.long), "labels": place % 2}
    for place in range(16)
]
arguments = TrainingArguments(
    output_dir="out",
    run_name="transformers",
    report_to="wandb",
    num_train_epochs=2,
    per_device_train_batch_size=4,
    logging_steps=2,
    eval_strategy="epoch",
    save_strategy="no",
    use_cpu=True,
    disable_tqdm=True,
)
trainer = Trainer(model=network, args=arguments, train_dataset=rows, eval_dataset=rows)
trainer.train()
print(json.dumps(trainer.state.log_history))
