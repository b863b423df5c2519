# The data, from the training and validation parts alone.
python -m benchmarks.rag.training_data --out data --negatives 0.2

# First pass, from the packaged encoder: all pairs once.
datapruner train sentences data/train.jsonl --out first --validation data/validation.jsonl \
    --epochs 1 --batch-tokens 3072 --max-length 384 --others 1 --rate 1e-4 --head-rate 1e-3 \
    --frozen-layers 1 --export

# Second, from the first, with the loss by the order of a passage's sentences.
datapruner train sentences data/train.jsonl --base first --out second --validation data/validation.jsonl \
    --steps 1200 --batch-tokens 3072 --max-length 384 --others 1 --rate 8e-5 --head-rate 2e-4 \
    --frozen-layers 1 --order-weight 0.3 --seed 1 --export

# The small weights, what a call says beside the labels, and the card.
mkdir model && cp second/config.json second/tokenizer.json model/ && cp second/model-int8.onnx model/model.onnx
python -m benchmarks.rag.together model
python -m benchmarks.rag.run --full --model model
python -m benchmarks.rag.card model
