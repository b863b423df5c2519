"""Who runs the heavy passes: this process block by block, or Ray on many machines."""
